/** The sizes of a Stable Diffusion 3 or 3.5 transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { patchSizes } from '../shared/patched-config.ts'

export interface Sd3Config {
  readonly channels: number
  readonly outChannels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  readonly blocks: number
  /** Blocks with a second attention over the image alone (SD3.5 medium). */
  readonly dual: ReadonlySet<number>
  /** Whether queries and keys are normed (SD3.5). */
  readonly qkNorm: boolean
  /** Width of the text tokens (CLIP and T5). */
  readonly textWidth: number
  /** Width of the pooled text (both CLIPs). */
  readonly pooledWidth: number
  /** Patches along each side of the stored table of positions. */
  readonly positions: number
}

/** Inner layers of the MLPs are this many times as wide, in all SD3 models. */
export const MLP_RATIO = 4

/** From the config.json of SD3Transformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseSd3Config(json: Json, where: string): Sd3Config {
  const fields = new Fields(json, where)
  const channels = fields.count('in_channels', 16)
  const [heads, headSize] = [fields.count('num_attention_heads', 18), fields.count('attention_head_dim', 64)]
  const listed = json['dual_attention_layers'] ?? []
  const dual = Array.isArray(listed) ? listed.filter((index): index is number => Number.isInteger(index)) : []
  fields.require(
    Array.isArray(listed) && dual.length === listed.length,
    `dual_attention_layers is ${JSON.stringify(listed)}, expected a list of block indices`,
  )
  const qkNorm = (json['qk_norm'] ?? null) !== null
  if (qkNorm) fields.choice('qk_norm', ['rms_norm'])
  const width = heads * headSize
  fields.require(
    fields.count('caption_projection_dim', 1152) === width,
    `caption_projection_dim must be num_attention_heads * attention_head_dim = ${width}`,
  )
  const config: Sd3Config = {
    ...{ channels, heads, headSize, width, qkNorm },
    outChannels: typeof json['out_channels'] === 'number' ? fields.count('out_channels') : channels,
    patch: fields.count('patch_size', 2),
    blocks: fields.count('num_layers', 18),
    dual: new Set(dual),
    textWidth: fields.count('joint_attention_dim', 4096),
    pooledWidth: fields.count('pooled_projection_dim', 2048),
    positions: fields.count('pos_embed_max_size', 96),
  }
  fields.require(
    config.outChannels === channels,
    `out_channels is ${config.outChannels}, expected in_channels ${channels}: other predictions are not supported`,
  )
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as Stability AI's original single file. */
export type Sd3Layout = 'diffusers' | 'original'

/** Where each layout shows the sizes. */
const SIGNS = {
  original: {
    image: 'x_embedder.proj.weight',
    positions: 'pos_embed',
    pooled: 'y_embedder.mlp.0.weight',
    headNorm: 'joint_blocks.0.x_block.attn.ln_q.weight',
    block: (i: number) => `joint_blocks.${i}.x_block.adaLN_modulation.1.weight`,
    second: (i: number) => `joint_blocks.${i}.x_block.attn2.qkv.weight`,
  },
  diffusers: {
    image: 'pos_embed.proj.weight',
    positions: 'pos_embed.pos_embed',
    pooled: 'time_text_embed.text_embedder.linear_1.weight',
    headNorm: 'transformer_blocks.0.attn.norm_q.weight',
    block: (i: number) => `transformer_blocks.${i}.norm1.linear.weight`,
    second: (i: number) => `transformer_blocks.${i}.attn2.to_q.weight`,
  },
}

/** A key that every file of one of the layouts has, and no other family's. */
export const SD3_SIGNS = [SIGNS.original.block(0), SIGNS.diffusers.pooled]

/** Head size of all published SD3 models; those without query norms leave no trace of it in the weights. */
const PUBLISHED_HEAD = 64

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no SD3's. */
export function inferSd3Config(tensors: Weights['tensors'], layout: Sd3Layout): Sd3Config | null {
  const signs = SIGNS[layout]
  const extent = (key: string, axis: number): number => extentOf(tensors, key, axis)
  const { width, channels, patch } = patchSizes(tensors, signs.image)
  const headSize = extent(signs.headNorm, 0) || PUBLISHED_HEAD
  const blocks = countBlocks(tensors, signs.block)
  const positions = Math.sqrt(extent(signs.positions, 1))
  if (width === 0 || width % headSize !== 0 || blocks === 0 || !Number.isInteger(positions)) return null
  return {
    ...{ channels, patch, width, headSize, blocks, positions },
    outChannels: channels,
    heads: width / headSize,
    dual: new Set(Array.from({ length: blocks }, (_, i) => i).filter((i) => tensors.has(signs.second(i)))),
    qkNorm: tensors.has(signs.headNorm),
    textWidth: extent('context_embedder.weight', 1),
    pooledWidth: extent(signs.pooled, 1),
  }
}
