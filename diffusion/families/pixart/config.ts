/** The sizes of a PixArt-alpha or PixArt-sigma transformer, from its diffusers config.json. */
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { Grid } from '../shared/sinusoids.ts'

export interface PixArtConfig {
  readonly channels: number
  /** Those of the latent, or twice as many: then the second half is a learned variance, which samplers do not use. */
  readonly outChannels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  /** heads * head size. */
  readonly width: number
  readonly blocks: number
  /** Width of the text tokens (T5). */
  readonly textWidth: number
  /** Whether the picture's size and aspect ratio are inputs (PixArt-alpha at 1024). */
  readonly sized: boolean
  /** Whether queries, keys and values have biases. */
  readonly attentionBias: boolean
  readonly epsilon: number
  readonly grid: Grid
}

/** Inner layers of the MLPs are this many times as wide, in all PixArt models. */
export const MLP_RATIO = 4
/** Side of the latents of the models that take the picture's size. */
const SIZED_SAMPLE = 128

/** From the config.json of PixArtTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parsePixArtConfig(json: Json, where: string): PixArtConfig {
  const fields = new Fields(json, where)
  /** null stands for "work it out" in these files. */
  const given = (name: string): boolean => (json[name] ?? null) !== null
  const [heads, headSize] = [fields.count('num_attention_heads', 16), fields.count('attention_head_dim', 72)]
  const [channels, width] = [fields.count('in_channels', 4), heads * headSize]
  const [sample, patch] = [fields.count('sample_size', SIZED_SAMPLE), fields.count('patch_size', 2)]
  const config: PixArtConfig = {
    ...{ channels, heads, width, patch },
    outChannels: given('out_channels') ? fields.count('out_channels') : channels,
    blocks: fields.count('num_layers', 28),
    textWidth: fields.count('caption_channels', 4096),
    sized: given('use_additional_conditions') ? fields.flag('use_additional_conditions') : sample === SIZED_SAMPLE,
    attentionBias: fields.flag('attention_bias', true),
    epsilon: fields.number('norm_eps', 1e-6),
    grid: {
      base: Math.floor(sample / patch),
      interpolation: given('interpolation_scale')
        ? fields.number('interpolation_scale')
        : Math.max(1, Math.floor(sample / 64)),
    },
  }
  fields.choice('activation_fn', ['gelu-approximate'], 'gelu-approximate')
  fields.choice('norm_type', ['ada_norm_single'], 'ada_norm_single')
  fields.require(!fields.flag('norm_elementwise_affine', false), 'norm_elementwise_affine must be false')
  const cross = given('cross_attention_dim') ? fields.count('cross_attention_dim') : width
  fields.require(cross === width, `cross_attention_dim is ${cross}, expected heads * head size = ${width}`)
  fields.require(
    width % (config.sized ? 12 : 4) === 0,
    `the width ${width} must be a multiple of ${config.sized ? 12 : 4}`,
  )
  fields.require(
    config.outChannels === channels || config.outChannels === 2 * channels,
    `out_channels is ${config.outChannels}, expected in_channels ${channels} or twice that`,
  )
  fields.done()
  return config
}
