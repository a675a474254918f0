/** The sizes of HunyuanVideo's autoencoder, from its diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'

export interface HunyuanVaeConfig {
  readonly latentChannels: number
  /** Channels at each resolution, finest first. */
  readonly widths: readonly number[]
  readonly layersPerBlock: number
  readonly groups: number
  readonly middleAttention: boolean
  /** The sampler's latent is raw * scale. */
  readonly scale: number
  /** Pixels per latent cell along each side: a power of 2. */
  readonly factor: number
  /** Frames per latent frame: 4 or 8. */
  readonly temporalFactor: number
}

/** Of the published model, where no configuration says it. */
const PUBLISHED = { groups: 32, scale: 0.476986, factor: 8, temporalFactor: 4 }

/** `where` stands in front of the error that lists all faults. */
export function parseHunyuanVaeConfig(json: Json, where: string): HunyuanVaeConfig {
  const fields = new Fields(json, where)
  fields.choice('_class_name', ['AutoencoderKLHunyuanVideo'], 'AutoencoderKLHunyuanVideo')
  fields.choice('act_fn', ['silu'], 'silu')
  const widths = fields.counts('block_out_channels', [128, 256, 512, 512])
  for (const side of ['in_channels', 'out_channels'])
    fields.require(fields.count(side, 3) === 3, `${side} must be 3 (RGB pictures)`)
  const config: HunyuanVaeConfig = {
    latentChannels: fields.count('latent_channels', 16),
    widths,
    layersPerBlock: fields.count('layers_per_block', 2),
    groups: fields.count('norm_num_groups', PUBLISHED.groups),
    middleAttention: fields.flag('mid_block_add_attention', true),
    scale: fields.number('scaling_factor', PUBLISHED.scale),
    factor: fields.count('spatial_compression_ratio', PUBLISHED.factor),
    temporalFactor: fields.count('temporal_compression_ratio', PUBLISHED.temporalFactor),
  }
  fields.require(config.scale !== 0, 'scaling_factor must not be 0')
  fields.require(config.temporalFactor === 4, `temporal_compression_ratio is ${config.temporalFactor}, expected 4`)
  fields.require(
    Number.isInteger(Math.log2(config.factor)),
    `spatial_compression_ratio ${config.factor} is no power of 2`,
  )
  fields.require(
    widths.every((width) => width % config.groups === 0),
    `block_out_channels [${widths.join(', ')}] must be multiples of norm_num_groups ${config.groups}`,
  )
  fields.done()
  return config
}

/** From the shapes of a file by diffusers' names; what leaves no trace is as published. */
export function inferHunyuanVaeConfig(tensors: Weights['tensors']): HunyuanVaeConfig {
  const extent = (key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0
  const first = (stage: number, layer: number): string =>
    `encoder.down_blocks.${stage}.resnets.${layer}.conv1.conv.weight`
  const widths: number[] = []
  while (tensors.has(first(widths.length, 0))) widths.push(extent(first(widths.length, 0), 0))
  let layersPerBlock = 0
  while (tensors.has(first(0, layersPerBlock))) layersPerBlock++
  return {
    ...PUBLISHED,
    ...{ widths, layersPerBlock },
    latentChannels: extent('post_quant_conv.weight', 0),
    middleAttention: tensors.has('decoder.mid_block.attentions.0.to_q.weight'),
  }
}

/** How often a stage of the encoder or the decoder halves or doubles space and time; both count stages from where they begin. */
export function resizingOf(c: HunyuanVaeConfig, stage: number): { readonly space: 1 | 2; readonly time: 1 | 2 } {
  const last = c.widths.length - 1
  return {
    space: stage < Math.log2(c.factor) ? 2 : 1,
    time: stage >= last - Math.log2(c.temporalFactor) && stage !== last ? 2 : 1,
  }
}
