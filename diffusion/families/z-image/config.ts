/** The sizes of a Z-Image transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { readAxes, type RotaryAxes } from '../shared/rotary.ts'

export interface ZImageConfig {
  readonly channels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  /** Width of the inner layers of the MLPs. */
  readonly inner: number
  /** Width of the time embedding. */
  readonly timeWidth: number
  readonly blocks: number
  /** Blocks over the image alone and over the text alone, before those over both. */
  readonly refinerBlocks: number
  /** Width of the text tokens (Qwen3). */
  readonly textWidth: number
  /** Text and time, row, column. */
  readonly axes: RotaryAxes
  /** Of the norms of the blocks. */
  readonly epsilon: number
  /** The time is told as this many times 1 - sigma. */
  readonly timeScale: number
}

/** Largest width of the time embedding. */
const TIME_WIDTH = 256
/** Width between the layers of the time embedding. */
export const TIME_INNER = 1024

const withSizes = (config: Omit<ZImageConfig, 'headSize' | 'inner' | 'timeWidth'>): ZImageConfig => ({
  ...config,
  headSize: config.width / config.heads,
  inner: Math.trunc((config.width / 3) * 8),
  timeWidth: Math.min(config.width, TIME_WIDTH),
})

/** From the config.json of ZImageTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseZImageConfig(json: Json, where: string): ZImageConfig {
  const fields = new Fields(json, where)
  const [width, heads] = [fields.count('dim', 3840), fields.count('n_heads', 30)]
  const patches = fields.counts('all_patch_size', [2])
  const frames = fields.counts('all_f_patch_size', [1])
  const sizes = readAxes(fields, 'axes_dims', [32, 48, 48], width / heads)
  fields.require(
    patches.length === 1 && frames.length === 1 && frames[0] === 1,
    'all_patch_size and all_f_patch_size must have one value each, the second 1',
  )
  fields.require(fields.count('n_kv_heads', heads) === heads, 'n_kv_heads must be n_heads')
  fields.require(fields.flag('qk_norm', true), 'qk_norm must be true')
  fields.require((json['siglip_feat_dim'] ?? null) === null, 'siglip_feat_dim: models that edit are not supported')
  const config = withSizes({
    ...{ width, heads, patch: patches[0]! },
    channels: fields.count('in_channels', 16),
    blocks: fields.count('n_layers', 30),
    refinerBlocks: fields.count('n_refiner_layers', 2),
    textWidth: fields.count('cap_feat_dim', 2560),
    axes: { sizes, theta: fields.number('rope_theta', 256) },
    epsilon: fields.number('norm_eps', 1e-5),
    timeScale: fields.number('t_scale', 1000),
  })
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as ComfyUI's files have it. */
export type ZImageLayout = 'diffusers' | 'comfyui'

/** Keys of which every file has one, and no other family's. */
export const Z_IMAGE_SIGNS = ['cap_pad_token']

/** Of every published Z-Image: they leave no trace in the weights. */
const PUBLISHED = { axes: { sizes: [32, 48, 48], theta: 256 }, epsilon: 1e-5, timeScale: 1000, patch: 2 }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no published Z-Image's. */
export function inferZImageConfig(tensors: Weights['tensors'], layout: ZImageLayout): ZImageConfig | null {
  const isDiffusers = layout === 'diffusers'
  const [image, norm] = isDiffusers
    ? ['all_x_embedder.2-1.weight', 'layers.0.attention.norm_q.weight']
    : ['x_embedder.weight', 'layers.0.attention.q_norm.weight']
  const [width, headSize] = [extentOf(tensors, image, 0), extentOf(tensors, norm, 0)]
  if (headSize !== PUBLISHED.axes.sizes.reduce((a, b) => a + b, 0) || width % headSize !== 0) return null
  return withSizes({
    ...{ ...PUBLISHED, width },
    heads: width / headSize,
    channels: extentOf(tensors, image, 1) / PUBLISHED.patch ** 2,
    blocks: countBlocks(tensors, (i) => `layers.${i}.attention_norm1.weight`),
    refinerBlocks: countBlocks(tensors, (i) => `context_refiner.${i}.attention_norm1.weight`),
    textWidth: extentOf(tensors, 'cap_embedder.1.weight', 1),
  })
}
