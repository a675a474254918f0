/** TAESD: a small autoencoder that stands in for the models' own, for previews and quick looks. Its latents are the sampler's as they are. */
import { foreignLatents } from './latent-faults.ts'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode } from '../../onnx/session.ts'
import { float32Bytes, openWeights, openWeightsFolder, type Weights } from '../../onnx/weights.ts'
import type { Tensor } from '../../tensor.ts'
import type { Autoencoder } from '../contract.ts'
import type { Json } from '../family.ts'
import { Fields, readJsonIfAny } from '../json.ts'
import { halvings, lastLayer, taesdDecoderGraph, taesdEncoderGraph, type TaesdSide } from './taesd-graphs.ts'

/** diffusers' class of it. */
export const TAESD_CLASS = 'AutoencoderTiny'

type Tensors = Weights['tensors']

/** What stands in front of the layers in files that hold both sides. */
const BOTH = /^(?:taesd_)?(encoder|decoder)\.(?:layers\.)?(\d+)\.(.+)$/
const ALONE = /^(\d+)\.(.+)$/

/** The author's decoder begins with the squashing of its latent, which diffusers does not count as a layer. */
const shifted = (side: string, index: string, isAuthors: boolean): number =>
  Number(index) - (side === 'decoder' && isAuthors ? 1 : 0)

/**
 * Tensors under diffusers' names, from its files, the author's two (`0.weight` of the encoder, `1.weight` of the decoder) or both sides
 * in one; null when they are none of these.
 */
export function taesdTensors(tensors: Tensors): Tensors | null {
  const isDiffusers = tensors.has('decoder.layers.0.weight')
  const only = tensors.has('0.weight') ? 'encoder' : 'decoder'
  const renamed = new Map<string, NonNullable<ReturnType<Tensors['get']>>>()
  for (const [key, stored] of tensors) {
    const both = BOTH.exec(key)
    const alone = both ? null : ALONE.exec(key)
    const [side, index, rest] = both ? both.slice(1) : [only, ...(alone?.slice(1) ?? [])]
    if (side === undefined || index === undefined || rest === undefined) return null
    renamed.set(`${side}.layers.${shifted(side, index, !isDiffusers)}.${rest}`, stored)
  }
  const hasBlocks = [...renamed.keys()].some((key) => key.endsWith('.conv.4.weight'))
  return hasBlocks ? renamed : null
}

/** What config.json says beside the layers: the sampler's latent is raw * scale. Throws for forms that nobody published. */
export function taesdScale(json: Json | null, where: string): number {
  if (!json) return 1
  const fields = new Fields(json, where)
  fields.choice('act_fn', ['relu'], 'relu')
  fields.choice('upsample_fn', ['nearest'], 'nearest')
  fields.require(fields.count('upsampling_scaling_factor', 2) === 2, 'upsampling_scaling_factor must be 2')
  fields.require(fields.number('shift_factor', 0) === 0, 'shift_factor must be 0')
  for (const side of ['in_channels', 'out_channels'])
    fields.require(fields.count(side, 3) === 3, `${side} must be 3 (RGB pictures)`)
  const scale = fields.number('scaling_factor', 1)
  fields.require(scale !== 0, 'scaling_factor must not be 0')
  fields.done()
  return scale
}

/** One side, or null where the files do not have it. */
export function taesdSide(tensors: Tensors, prefix: TaesdSide['prefix'], scale: number): TaesdSide | null {
  return tensors.has(`${prefix}.0.weight`) ? { tensors, prefix, scale } : null
}

/** TAESD in the form that the VAE port carries. */
export class Taesd implements Autoencoder {
  readonly factor: number
  readonly channels: number
  readonly #name: string
  readonly #encoder: LazySession | null
  readonly #decoder: LazySession | null

  /** `tensors` under diffusers' names. Throws when they hold neither side. */
  constructor(tensors: Tensors, where: string, config: Json | null = null) {
    this.#name = `TAESD ${basename(where)}`
    const scale = taesdScale(config, `config.json of ${where}`)
    const [encoder, decoder] = (['encoder.layers', 'decoder.layers'] as const).map((prefix) =>
      taesdSide(tensors, prefix, scale),
    )
    const side = decoder ?? encoder
    if (!side) throw new Error(`${where}: no TAESD: neither an encoder nor a decoder begins with layer 0`)
    this.factor = 2 ** halvings(side)
    const [out = 0, wide = 0] = tensors.get(`${side.prefix}.0.weight`)?.shape ?? []
    const last = tensors.get(`${side.prefix}.${lastLayer(side)}.weight`)?.shape[0] ?? out
    this.channels = decoder ? wide : last
    const mode = chooseWeightMode(float32Bytes({ where, tensors }))
    const lazily = (part: string, build: () => ReturnType<typeof taesdEncoderGraph>) =>
      new LazySession(build, { mode, name: `${this.#name}, ${part}`, kind: 'convolutions' })
    this.#encoder = encoder ? lazily('encoder', () => taesdEncoderGraph(encoder)) : null
    this.#decoder = decoder ? lazily('decoder', () => taesdDecoderGraph(decoder)) : null
  }

  async decode(latent: Tensor): Promise<Tensor> {
    if (latent.shape.length !== 4 || latent.shape[1] !== this.channels)
      throw foreignLatents(this.#name, latent.shape, `[B, ${this.channels}, h, w]`)
    if (!this.#decoder) throw new Error(`${this.#name}: it has no decoder; put its decoder's file beside it`)
    return (await this.#decoder.run({ latent }))['pixels']!
  }

  async encode(pixels: Tensor): Promise<Tensor> {
    const [, height = 0, width = 0, channels] = pixels.shape
    const whole = height > 0 && width > 0 && height % this.factor === 0 && width % this.factor === 0
    if (pixels.shape.length !== 4 || channels !== 3 || !whole)
      throw new Error(
        `${this.#name}: pixels are [${pixels.shape.join(', ')}], expected [B, H, W, 3] with H and W multiples of ${this.factor}`,
      )
    if (!this.#encoder) throw new Error(`${this.#name}: it has no encoder; put its encoder's file beside it`)
    return (await this.#encoder.run({ pixels }))['latent']!
  }

  /** Closes its sessions; they open again when needed. */
  async release(): Promise<void> {
    await this.#encoder?.release()
    await this.#decoder?.release()
  }
}

/**
 * Opens TAESD from `paths`: one diffusers folder, one file with both sides, or the author's files of encoder and decoder (one alone
 * serves that way only). Throws, naming the file, when it is no TAESD.
 */
export async function openTaesd(paths: readonly string[]): Promise<Taesd> {
  const parts = await Promise.all(
    paths.map(async (path) => {
      const isFolder = (await stat(path)).isDirectory()
      const weights = await (isFolder ? openWeightsFolder(path) : openWeights(path))
      const tensors = taesdTensors(weights.tensors)
      if (!tensors)
        throw new Error(`${path}: no TAESD (its layers are numbered, and some are blocks of three convolutions)`)
      return { tensors, config: isFolder ? await readJsonIfAny(join(path, 'config.json')) : null }
    }),
  )
  const tensors = new Map(parts.flatMap((part) => [...part.tensors]))
  return new Taesd(tensors, paths[0] ?? 'TAESD', parts[0]?.config ?? null)
}
