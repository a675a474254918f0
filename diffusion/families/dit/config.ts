/** The sizes of a DiT transformer, from its diffusers config.json. */
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { Grid } from '../shared/sinusoids.ts'

export interface DitConfig {
  readonly channels: number
  /** Those of the latent, or twice as many: then the second half is a learned variance, which samplers do not use. */
  readonly outChannels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  /** heads * head size. */
  readonly width: number
  readonly blocks: number
  /** Labels; the one after the last is the null class of classifier-free guidance. */
  readonly classes: number
  readonly attentionBias: boolean
  /** Of the norm before the MLP. */
  readonly epsilon: number
  readonly grid: Grid
}

/** Inner layers of the MLPs are this many times as wide, in all DiT models. */
export const MLP_RATIO = 4

/** From the config.json of DiTTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseDitConfig(json: Json, where: string): DitConfig {
  const fields = new Fields(json, where)
  const [heads, headSize] = [fields.count('num_attention_heads', 16), fields.count('attention_head_dim', 72)]
  const [channels, width, patch] = [fields.count('in_channels', 4), heads * headSize, fields.count('patch_size', 2)]
  const config: DitConfig = {
    ...{ channels, heads, width, patch },
    outChannels: (json['out_channels'] ?? null) === null ? channels : fields.count('out_channels'),
    blocks: fields.count('num_layers', 28),
    classes: fields.count('num_embeds_ada_norm', 1000),
    attentionBias: fields.flag('attention_bias', true),
    epsilon: fields.number('norm_eps', 1e-5),
    grid: { base: Math.floor(fields.count('sample_size', 32) / patch), interpolation: 1 },
  }
  fields.choice('activation_fn', ['gelu-approximate'], 'gelu-approximate')
  fields.choice('norm_type', ['ada_norm_zero'], 'ada_norm_zero')
  fields.require(!fields.flag('norm_elementwise_affine', false), 'norm_elementwise_affine must be false')
  fields.require(width % 4 === 0, `num_attention_heads * attention_head_dim is ${width}, expected a multiple of 4`)
  fields.require(
    config.outChannels === channels || config.outChannels === 2 * channels,
    `out_channels is ${config.outChannels}, expected in_channels ${channels} or twice that`,
  )
  fields.done()
  return config
}
