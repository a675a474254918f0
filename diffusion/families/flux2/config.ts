/** The sizes of a FLUX.2 transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { readAxes, type RotaryAxes } from '../shared/rotary.ts'

export interface Flux2Config {
  /** Of the latent, whose cells are the tokens. */
  readonly channels: number
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  /** Width of the inner layers of the MLPs, after their gate. */
  readonly inner: number
  readonly doubleBlocks: number
  readonly singleBlocks: number
  /** Width of the text tokens. */
  readonly textWidth: number
  /** Channels of the sinusoidal features of the time and the guidance. */
  readonly timeChannels: number
  /** Whether distilled guidance is an input (dev; klein has none). */
  readonly guidance: boolean
  /** Time, row, column, text. */
  readonly axes: RotaryAxes
  readonly epsilon: number
}

/** From the config.json of Flux2Transformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseFlux2Config(json: Json, where: string): Flux2Config {
  const fields = new Fields(json, where)
  const [heads, headSize] = [fields.count('num_attention_heads', 48), fields.count('attention_head_dim', 128)]
  const [channels, width] = [fields.count('in_channels', 128), heads * headSize]
  const sizes = readAxes(fields, 'axes_dims_rope', [32, 32, 32, 32], headSize)
  fields.require(fields.count('patch_size', 1) === 1, 'patch_size must be 1')
  fields.require(
    fields.count('out_channels', channels) === channels,
    `out_channels differs from in_channels ${channels}: other predictions are not supported`,
  )
  const config: Flux2Config = {
    ...{ channels, heads, headSize, width },
    inner: Math.trunc(width * fields.number('mlp_ratio', 3)),
    doubleBlocks: fields.count('num_layers', 8),
    singleBlocks: fields.count('num_single_layers', 48),
    textWidth: fields.count('joint_attention_dim', 15360),
    timeChannels: fields.count('timestep_guidance_channels', 256),
    guidance: fields.flag('guidance_embeds', true),
    axes: { sizes, theta: fields.number('rope_theta', 2000) },
    epsilon: fields.number('eps', 1e-6),
  }
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as the original single file of Black Forest Labs. */
export type Flux2Layout = 'diffusers' | 'original'

/** Where each layout shows the sizes. */
const SIGNS = {
  diffusers: {
    image: 'x_embedder.weight',
    text: 'context_embedder.weight',
    time: 'time_guidance_embed.timestep_embedder.linear_1.weight',
    guidance: 'time_guidance_embed.guidance_embedder.linear_1.weight',
    shared: 'double_stream_modulation_img.linear.weight',
    head: 'transformer_blocks.0.attn.norm_q.weight',
    mlp: 'transformer_blocks.0.ff.linear_out.weight',
    double: (i: number) => `transformer_blocks.${i}.attn.norm_q.weight`,
    single: (i: number) => `single_transformer_blocks.${i}.attn.to_out.weight`,
  },
  original: {
    image: 'img_in.weight',
    text: 'txt_in.weight',
    time: 'time_in.in_layer.weight',
    guidance: 'guidance_in.in_layer.weight',
    shared: 'double_stream_modulation_img.lin.weight',
    head: 'double_blocks.0.img_attn.norm.query_norm.scale',
    mlp: 'double_blocks.0.img_mlp.2.weight',
    double: (i: number) => `double_blocks.${i}.img_attn.norm.query_norm.scale`,
    single: (i: number) => `single_blocks.${i}.linear2.weight`,
  },
}

/** Keys of which every file has one, and no other family's. */
export const FLUX2_SIGNS = [SIGNS.diffusers.shared, SIGNS.original.shared]

/** Of every published FLUX.2: they leave no trace in the weights. */
const PUBLISHED = { headSize: 128, axes: { sizes: [32, 32, 32, 32], theta: 2000 }, epsilon: 1e-6 }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no published FLUX.2's. */
export function inferFlux2Config(tensors: Weights['tensors'], layout: Flux2Layout): Flux2Config | null {
  const signs = SIGNS[layout]
  const extent = (key: string, axis: number): number => extentOf(tensors, key, axis)
  const [width, headSize] = [extent(signs.image, 0), extent(signs.head, 0)]
  if (headSize !== PUBLISHED.headSize || width % headSize !== 0 || !tensors.has(signs.shared)) return null
  return {
    ...{ ...PUBLISHED, width },
    channels: extent(signs.image, 1),
    heads: width / headSize,
    inner: extent(signs.mlp, 1),
    doubleBlocks: countBlocks(tensors, signs.double),
    singleBlocks: countBlocks(tensors, signs.single),
    textWidth: extent(signs.text, 1),
    timeChannels: extent(signs.time, 1),
    guidance: tensors.has(signs.guidance),
  }
}
