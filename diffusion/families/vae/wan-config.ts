/** The sizes of WAN's video autoencoder, from its config.json or from the shapes in its file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'

export interface WanVaeConfig {
  readonly latentChannels: number
  /** Channels at each resolution, finest first. */
  readonly encoderWidths: readonly number[]
  readonly decoderWidths: readonly number[]
  /** Residual blocks at each resolution of the encoder; the decoder has one more. */
  readonly layersPerBlock: number
  /** For each halving of the sides, finest first: whether it halves the frames too. */
  readonly halvesTime: readonly boolean[]
  /** Of each latent channel; the sampler's latent is (raw - mean) / deviation. */
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  /** Pixels per latent cell along each side. */
  readonly factor: number
  /** Frames per latent frame. */
  readonly temporalFactor: number
}

/** Statistics of WAN 2.1's 16 latent channels, as its authors published them. */
const PUBLISHED = {
  mean: [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632, -0.1922,
    -0.9497, 0.2503, -0.2921,
  ],
  deviation: [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253,
    2.8251, 1.916,
  ],
}

const factors = (halvesTime: readonly boolean[]) => ({
  factor: 2 ** halvesTime.length,
  temporalFactor: 2 ** halvesTime.filter(Boolean).length,
})

function numbers(fields: Fields, json: Json, name: string, fallback: readonly number[]): readonly number[] {
  const value = json[name] ?? fallback
  const fits = Array.isArray(value) && value.every((one): one is number => Number.isFinite(one))
  fields.require(fits, `${name} is ${JSON.stringify(value)}, expected a list of numbers`)
  return fits ? value : fallback
}

function flags(fields: Fields, json: Json, name: string, fallback: readonly boolean[]): readonly boolean[] {
  const value = json[name] ?? fallback
  const fits = Array.isArray(value) && value.every((one): one is boolean => typeof one === 'boolean')
  fields.require(fits, `${name} is ${JSON.stringify(value)}, expected a list of true and false`)
  return fits ? value : fallback
}

/** From the config.json of AutoencoderKLWan; `where` stands in front of the error that lists all faults. */
export function parseWanVaeConfig(json: Json, where: string): WanVaeConfig {
  const fields = new Fields(json, where)
  fields.choice('_class_name', ['AutoencoderKLWan'], 'AutoencoderKLWan')
  const base = fields.count('base_dim', 96)
  const decoderBase = (json['decoder_base_dim'] ?? null) === null ? base : fields.count('decoder_base_dim')
  const multiples = fields.counts('dim_mult', [1, 2, 4, 4])
  const latentChannels = fields.count('z_dim', 16)
  const halvesTime = flags(fields, json, 'temperal_downsample', [false, true, true])
  const [mean, deviation] = [
    numbers(fields, json, 'latents_mean', PUBLISHED.mean),
    numbers(fields, json, 'latents_std', PUBLISHED.deviation),
  ]
  fields.require(
    halvesTime.length === multiples.length - 1,
    `temperal_downsample has ${halvesTime.length} entries, expected one less than dim_mult: ${multiples.length - 1}`,
  )
  for (const [name, list] of Object.entries({ latents_mean: mean, latents_std: deviation }))
    fields.require(
      list.length === latentChannels,
      `${name} has ${list.length} entries, expected z_dim ${latentChannels}`,
    )
  fields.require(!deviation.includes(0), 'latents_std must not contain 0')
  fields.require(!fields.flag('is_residual', false), 'is_residual is not supported: that is the autoencoder of WAN 2.2')
  fields.require((json['patch_size'] ?? null) === null, 'patch_size must be null')
  fields.require(numbers(fields, json, 'attn_scales', []).length === 0, 'attn_scales must be empty')
  for (const side of ['in_channels', 'out_channels'])
    fields.require(fields.count(side, 3) === 3, `${side} must be 3 (RGB pictures)`)
  const config: WanVaeConfig = {
    ...{ latentChannels, halvesTime, mean, deviation, ...factors(halvesTime) },
    encoderWidths: multiples.map((multiple) => base * multiple),
    decoderWidths: multiples.map((multiple) => decoderBase * multiple),
    layersPerBlock: fields.count('num_res_blocks', 2),
  }
  fields.done()
  return config
}

/** From the shapes of a file in diffusers' names, with the published statistics. Throws when there are none for so many channels. */
export function inferWanVaeConfig({ tensors, where }: Weights): WanVaeConfig {
  const extent = (key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0
  const latentChannels = extent('post_quant_conv.weight', 0)
  if (latentChannels !== PUBLISHED.mean.length)
    throw new Error(
      `${where}: an autoencoder of ${latentChannels} channels needs its config.json beside it, for the statistics of its latents`,
    )
  const decoderWidths: number[] = []
  for (let i = 0; tensors.has(`decoder.up_blocks.${i}.resnets.0.conv2.weight`); i++)
    decoderWidths.unshift(extent(`decoder.up_blocks.${i}.resnets.0.conv2.weight`, 0))
  let layers = 0
  while (tensors.has(`decoder.up_blocks.0.resnets.${layers}.conv1.weight`)) layers++
  const encoderWidths: number[] = []
  const halvesTime: boolean[] = []
  for (let i = 0, level = 0; level < decoderWidths.length; i++) {
    const block = `encoder.down_blocks.${i}`
    if (tensors.has(`${block}.conv2.weight`)) encoderWidths[level] = extent(`${block}.conv2.weight`, 0)
    else {
      if (level + 1 < decoderWidths.length) halvesTime.push(tensors.has(`${block}.time_conv.weight`))
      level++
    }
  }
  return {
    ...{ latentChannels, encoderWidths, decoderWidths, halvesTime, ...PUBLISHED, ...factors(halvesTime) },
    layersPerBlock: layers - 1,
  }
}
