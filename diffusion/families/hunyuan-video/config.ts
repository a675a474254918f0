/** The sizes of a HunyuanVideo transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { readAxes, type RotaryAxes } from '../shared/rotary.ts'
import type { VolumePatch } from '../shared/volumes.ts'

export interface HunyuanConfig {
  /** Channels of what it takes; more than it gives where pictures are joined to the latent. */
  readonly channels: number
  readonly outChannels: number
  readonly patch: VolumePatch
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  /** Width of the inner layers of the blocks' MLPs. */
  readonly inner: number
  readonly doubleBlocks: number
  readonly singleBlocks: number
  /** Blocks over the text alone, at every step. */
  readonly refinerBlocks: number
  /** Width of the text tokens (LLaMA). */
  readonly textWidth: number
  /** Width of the pooled text (CLIP). */
  readonly pooledWidth: number
  /** Whether distilled guidance is an input. */
  readonly guidance: boolean
  /** Frame, row, column. */
  readonly axes: RotaryAxes
}

/** Inner layers of the text refiner's MLPs are this many times as wide, whatever the blocks have. */
export const REFINER_RATIO = 4

/** From the config.json of HunyuanVideoTransformer3DModel; `where` stands in front of the error that lists all faults. */
export function parseHunyuanConfig(json: Json, where: string): HunyuanConfig {
  const fields = new Fields(json, where)
  const [heads, headSize] = [fields.count('num_attention_heads', 24), fields.count('attention_head_dim', 128)]
  const side = fields.count('patch_size', 2)
  const sizes = readAxes(fields, 'rope_axes_dim', [16, 56, 56], headSize)
  const condition = json['image_condition_type'] ?? null
  fields.choice('qk_norm', ['rms_norm'], 'rms_norm')
  fields.require(
    condition === null || condition === 'latent_concat',
    `image_condition_type is ${JSON.stringify(condition)}: only null and 'latent_concat' are supported`,
  )
  const width = heads * headSize
  const config: HunyuanConfig = {
    ...{ heads, headSize, width },
    channels: fields.count('in_channels', 16),
    outChannels: fields.count('out_channels', 16),
    patch: [fields.count('patch_size_t', 1), side, side],
    inner: Math.trunc(width * fields.number('mlp_ratio', 4)),
    doubleBlocks: fields.count('num_layers', 20),
    singleBlocks: fields.count('num_single_layers', 40),
    refinerBlocks: fields.count('num_refiner_layers', 2),
    textWidth: fields.count('text_embed_dim', 4096),
    pooledWidth: fields.count('pooled_projection_dim', 768),
    guidance: fields.flag('guidance_embeds', true),
    axes: { sizes, theta: fields.number('rope_theta', 256) },
  }
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, as Tencent published them, or as ComfyUI's files rename that. */
export type HunyuanLayout = 'diffusers' | 'original' | 'comfyui'

/** Where each layout shows the sizes. */
const SIGNS = {
  diffusers: {
    image: 'x_embedder.proj.weight',
    text: 'context_embedder.proj_in.weight',
    pooled: 'time_text_embed.text_embedder.linear_1.weight',
    guidance: 'time_text_embed.guidance_embedder.linear_1.weight',
    head: 'transformer_blocks.0.attn.norm_q.weight',
    mlp: 'transformer_blocks.0.ff.net.0.proj.weight',
    out: 'proj_out.weight',
    double: (i: number) => `transformer_blocks.${i}.norm1.linear.weight`,
    single: (i: number) => `single_transformer_blocks.${i}.norm.linear.weight`,
    refiner: (i: number) => `context_embedder.token_refiner.refiner_blocks.${i}.norm1.weight`,
  },
  original: {
    image: 'img_in.proj.weight',
    text: 'txt_in.input_embedder.weight',
    pooled: 'vector_in.in_layer.weight',
    guidance: 'guidance_in.mlp.0.weight',
    head: 'double_blocks.0.img_attn_q_norm.weight',
    mlp: 'double_blocks.0.img_mlp.fc1.weight',
    out: 'final_layer.linear.weight',
    double: (i: number) => `double_blocks.${i}.img_mod.linear.weight`,
    single: (i: number) => `single_blocks.${i}.modulation.linear.weight`,
    refiner: (i: number) => `txt_in.individual_token_refiner.blocks.${i}.norm1.weight`,
  },
  comfyui: {
    image: 'img_in.proj.weight',
    text: 'txt_in.input_embedder.weight',
    pooled: 'vector_in.in_layer.weight',
    guidance: 'guidance_in.in_layer.weight',
    head: 'double_blocks.0.img_attn.norm.query_norm.scale',
    mlp: 'double_blocks.0.img_mlp.0.weight',
    out: 'final_layer.linear.weight',
    double: (i: number) => `double_blocks.${i}.img_mod.lin.weight`,
    single: (i: number) => `single_blocks.${i}.modulation.lin.weight`,
    refiner: (i: number) => `txt_in.individual_token_refiner.blocks.${i}.norm1.weight`,
  },
}

/** Keys of which every file has one, and no other family's. */
export const HUNYUAN_SIGNS = [SIGNS.diffusers.text, SIGNS.original.text]

/** Rotary axes of every published HunyuanVideo, by head size: they leave no trace in the weights. */
const AXES: Readonly<Record<number, RotaryAxes>> = { 128: { sizes: [16, 56, 56], theta: 256 } }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no published HunyuanVideo's. */
export function inferHunyuanConfig(tensors: Weights['tensors'], layout: HunyuanLayout): HunyuanConfig | null {
  const signs = SIGNS[layout]
  const extent = (key: string, axis: number): number => extentOf(tensors, key, axis)
  const [width, channels, frames, rows, columns] = [0, 1, 2, 3, 4].map((axis) => extent(signs.image, axis))
  const headSize = extent(signs.head, 0)
  const axes = AXES[headSize]
  const patch: VolumePatch = [frames!, rows!, columns!]
  if (!axes || !width || width % headSize !== 0 || patch.includes(0)) return null
  return {
    ...{ width, headSize, axes, patch, channels: channels! },
    outChannels: extent(signs.out, 0) / (frames! * rows! * columns!),
    heads: width / headSize,
    inner: extent(signs.mlp, 0),
    doubleBlocks: countBlocks(tensors, signs.double),
    singleBlocks: countBlocks(tensors, signs.single),
    refinerBlocks: countBlocks(tensors, signs.refiner),
    textWidth: extent(signs.text, 1),
    pooledWidth: extent(signs.pooled, 1),
    guidance: tensors.has(signs.guidance),
  }
}
