/** The sizes that DiT and the transformers after it have in common, as their diffusers configurations and the shapes of their files say them. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import type { Fields } from '../json.ts'
import { extentOf } from './fits.ts'
import type { Grid } from './sinusoids.ts'

export interface PatchedConfig {
  readonly channels: number
  /** Those of the latent, or twice as many: then the second half is a learned variance, which samplers do not use. */
  readonly outChannels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  /** heads * head size. */
  readonly width: number
  readonly blocks: number
  /** Whether queries, keys and values have biases. */
  readonly attentionBias: boolean
  /** Of the blocks' norms. */
  readonly epsilon: number
  readonly grid: Grid
}

/** Inner layers of the MLPs are this many times as wide, in all of these models. */
export const MLP_RATIO = 4

/** Whether a field has a value: null stands for "work it out" in these files. */
export const isGiven = (json: Json, name: string): boolean => (json[name] ?? null) !== null

/** All but the grid. `norm` is the only norm_type of the family, `epsilon` what norm_eps is where it is not said. */
export function readPatched(
  fields: Fields,
  json: Json,
  { norm, epsilon }: { readonly norm: string; readonly epsilon: number },
): Omit<PatchedConfig, 'grid'> {
  const [heads, headSize] = [fields.count('num_attention_heads', 16), fields.count('attention_head_dim', 72)]
  const channels = fields.count('in_channels', 4)
  const outChannels = isGiven(json, 'out_channels') ? fields.count('out_channels') : channels
  fields.choice('activation_fn', ['gelu-approximate'], 'gelu-approximate')
  fields.choice('norm_type', [norm], norm)
  fields.require(!fields.flag('norm_elementwise_affine', false), 'norm_elementwise_affine must be false')
  fields.require(
    outChannels === channels || outChannels === 2 * channels,
    `out_channels is ${outChannels}, expected in_channels ${channels} or twice that`,
  )
  return {
    ...{ channels, outChannels, heads },
    width: heads * headSize,
    patch: fields.count('patch_size', 2),
    blocks: fields.count('num_layers', 28),
    attentionBias: fields.flag('attention_bias', true),
    epsilon: fields.number('norm_eps', epsilon),
  }
}

/** What the layer that takes the patches in, `key` [width, channels, patch, patch], tells; zeros where there is none. */
export function patchSizes(
  tensors: Weights['tensors'],
  key: string,
): Pick<PatchedConfig, 'width' | 'channels' | 'patch'> {
  const extent = (axis: number): number => extentOf(tensors, key, axis)
  return { width: extent(0), channels: extent(1), patch: extent(2) }
}
