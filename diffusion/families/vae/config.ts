/** The sizes of an AutoencoderKL, from its diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
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

/** Of every published AutoencoderKL. */
const GROUPS = 32

/**
 * From the shapes of a file without configuration (diffusers' names). Scale and shift leave no trace there. Throws, naming the file, when the shapes are not an AutoencoderKL's.
 */
export function inferVaeConfig(tensors: Weights['tensors'], where: string): Omit<VaeConfig, 'scale' | 'shift'> {
  const extent = (key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0
  const count = (key: (index: number) => string): number => {
    let found = 0
    while (tensors.has(key(found))) found++
    return found
  }
  const stages = count((i) => `encoder.down_blocks.${i}.resnets.0.conv1.weight`)
  const widths = Array.from({ length: stages }, (_, i) => extent(`encoder.down_blocks.${i}.resnets.0.conv1.weight`, 0))
  const latentChannels = extent('decoder.conv_in.weight', 1)
  const layersPerBlock = count((i) => `encoder.down_blocks.0.resnets.${i}.conv1.weight`)
  if (stages === 0 || latentChannels === 0 || widths.some((width) => width % GROUPS !== 0))
    throw new Error(
      `${where}: no AutoencoderKL as published: ${latentChannels} latent channels, stages of ${widths.join(', ') || 'nothing'} ` +
        `channels, which must be multiples of ${GROUPS}; others need their config.json beside them`,
    )
  return {
    ...{ latentChannels, widths, layersPerBlock },
    groups: GROUPS,
    quantConvs: tensors.has('post_quant_conv.weight'),
    middleAttention: tensors.has('decoder.mid_block.attentions.0.group_norm.weight'),
    factor: 2 ** (stages - 1),
  }
}
