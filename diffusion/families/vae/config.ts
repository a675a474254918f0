/** The sizes of an AutoencoderKL, from its diffusers config.json. */
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'

export interface VaeConfig {
  readonly latentChannels: number
  /** Channels at each resolution, finest first. */
  readonly widths: readonly number[]
  readonly layersPerBlock: number
  readonly groups: number
  /** 1 x 1 convolutions between encoder or decoder and the latent (SD 1.5, SDXL). */
  readonly quantConvs: boolean
  readonly middleAttention: boolean
  /** The sampler's latent is (raw - shift) * scale. */
  readonly scale: number
  readonly shift: number
  /** Pixels per latent cell along each side. */
  readonly factor: number
}

/** `where` stands in front of the error that lists all faults. */
export function parseVaeConfig(json: Json, where: string): VaeConfig {
  const fields = new Fields(json, where)
  fields.choice('_class_name', ['AutoencoderKL'], 'AutoencoderKL')
  fields.choice('act_fn', ['silu'], 'silu')
  const widths = fields.counts('block_out_channels')
  const quantConvs = fields.flag('use_quant_conv', true)
  fields.require(
    quantConvs === fields.flag('use_post_quant_conv', true),
    'use_quant_conv and use_post_quant_conv must both be true or both false',
  )
  for (const side of ['in_channels', 'out_channels'])
    fields.require(fields.count(side, 3) === 3, `${side} must be 3 (RGB pictures)`)
  const config: VaeConfig = {
    latentChannels: fields.count('latent_channels', 4),
    widths,
    layersPerBlock: fields.count('layers_per_block', 1),
    groups: fields.count('norm_num_groups', 32),
    quantConvs,
    middleAttention: fields.flag('mid_block_add_attention', true),
    scale: fields.number('scaling_factor', 0.18215),
    shift: fields.number('shift_factor', 0),
    factor: 2 ** (widths.length - 1),
  }
  fields.require(config.scale !== 0, 'scaling_factor must not be 0')
  fields.require(
    widths.every((width) => width % config.groups === 0),
    `block_out_channels [${widths.join(', ')}] must be multiples of norm_num_groups ${config.groups}`,
  )
  fields.done()
  return config
}
