/** The sizes of an LTX-Video transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'

export interface LtxConfig {
  /** Of the latent, whose cells are the tokens. */
  readonly channels: number
  readonly heads: number
  /** heads * head size. */
  readonly width: number
  readonly blocks: number
  /** Width of the text tokens (T5). */
  readonly textWidth: number
  /** Width of the text as the blocks look at it. */
  readonly contextWidth: number
  /** Whether queries, keys and values, and what attentions give, have biases. */
  readonly attentionBias: boolean
  readonly outBias: boolean
  /** Whether the norms of the blocks have weights of their own. */
  readonly normWeights: boolean
  /** Of the norms of the blocks. */
  readonly epsilon: number
}

/** Inner layers of the MLPs are this many times as wide, in all LTX-Video models. */
export const MLP_RATIO = 4

/** From the config.json of LTXVideoTransformer3DModel; `where` stands in front of the error that lists all faults. */
export function parseLtxConfig(json: Json, where: string): LtxConfig {
  const fields = new Fields(json, where)
  const channels = fields.count('in_channels', 128)
  const [heads, headSize] = [fields.count('num_attention_heads', 32), fields.count('attention_head_dim', 64)]
  const width = heads * headSize
  fields.choice('activation_fn', ['gelu-approximate'], 'gelu-approximate')
  fields.choice('qk_norm', ['rms_norm_across_heads'], 'rms_norm_across_heads')
  for (const side of ['patch_size', 'patch_size_t']) fields.require(fields.count(side, 1) === 1, `${side} must be 1`)
  fields.require(
    fields.count('out_channels', channels) === channels,
    `out_channels differs from in_channels ${channels}: other predictions are not supported`,
  )
  const config: LtxConfig = {
    ...{ channels, heads, width },
    blocks: fields.count('num_layers', 28),
    textWidth: fields.count('caption_channels', 4096),
    contextWidth: fields.count('cross_attention_dim', 2048),
    attentionBias: fields.flag('attention_bias', true),
    outBias: fields.flag('attention_out_bias', true),
    normWeights: fields.flag('norm_elementwise_affine', false),
    epsilon: fields.number('norm_eps', 1e-6),
  }
  fields.require(
    config.contextWidth === width,
    `cross_attention_dim is ${config.contextWidth}, expected num_attention_heads * attention_head_dim = ${width}`,
  )
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as Lightricks does. */
export type LtxLayout = 'diffusers' | 'original'

const IMAGE: Readonly<Record<LtxLayout, string>> = { diffusers: 'proj_in.weight', original: 'patchify_proj.weight' }

/** Keys of which every file has one. */
export const LTX_SIGNS = ['patchify_proj.weight', 'time_embed.emb.timestep_embedder.linear_1.weight']

/** Head size of the published LTX-Video of 2 billion parameters; it leaves no trace in the weights. */
const PUBLISHED_HEAD = 64
/** Of larger ones: their width, and the size of their heads. */
const LARGE = { width: 4096, head: 128 }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no LTX-Video's. */
export function inferLtxConfig(tensors: Weights['tensors'], layout: LtxLayout): LtxConfig | null {
  const [width, channels] = [0, 1].map((axis) => extentOf(tensors, IMAGE[layout], axis)) as [number, number]
  const blocks = countBlocks(tensors, (i) => `transformer_blocks.${i}.scale_shift_table`)
  const head = width === LARGE.width ? LARGE.head : PUBLISHED_HEAD
  if (width === 0 || width % head !== 0 || blocks === 0) return null
  const first = 'transformer_blocks.0'
  return {
    ...{ width, channels, blocks },
    heads: width / head,
    textWidth: extentOf(tensors, 'caption_projection.linear_1.weight', 1),
    contextWidth: extentOf(tensors, `${first}.attn2.to_k.weight`, 1),
    attentionBias: tensors.has(`${first}.attn1.to_q.bias`),
    outBias: tensors.has(`${first}.attn1.to_out.0.bias`),
    normWeights: tensors.has(`${first}.norm1.weight`),
    epsilon: 1e-6,
  }
}
