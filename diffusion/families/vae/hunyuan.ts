/** HunyuanVideo's autoencoder: videos to latents and back, in stretches of frames, on sessions that open when first needed. */
import { basename, dirname } from 'node:path'
import type { Model } from '../../onnx/graph.ts'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode, type WeightMode } from '../../onnx/session.ts'
import { float32Bytes, type Weights } from '../../onnx/weights.ts'
import { scale, tensor, type Tensor } from '../../tensor.ts'
import type { Autoencoder } from '../contract.ts'
import { WeightLookup } from '../lookup.ts'
import type { HunyuanVaeConfig } from './hunyuan-config.ts'
import { hunyuanDecoderGraph, hunyuanEncoderGraph } from './hunyuan-graphs.ts'
import { foreignLatents } from './latent-faults.ts'
import { inStretches } from './temporal-tiles.ts'

/** Frames of a stretch, and between the starts of two: as the model's own code and diffusers have it. */
const [LENGTH, STRIDE] = [16, 12]

/** A graph that depends on the number of frames; the one used last is kept open. */
class ByFrames {
  readonly #graph: (frames: number) => Model
  readonly #mode: WeightMode
  readonly #name: string
  #open: { readonly frames: number; readonly session: LazySession } | null = null

  constructor(graph: (frames: number) => Model, mode: WeightMode, name: string) {
    this.#graph = graph
    this.#mode = mode
    this.#name = name
  }

  async run(frames: number, feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>> {
    if (this.#open?.frames !== frames) {
      await this.release()
      const options = { mode: this.#mode, name: this.#name, kind: 'convolutions' } as const
      this.#open = { frames, session: new LazySession(() => this.#graph(frames), options) }
    }
    return this.#open.session.run(feeds)
  }

  async release(): Promise<void> {
    await this.#open?.session.release()
    this.#open = null
  }
}

/** [B, C, F, H, W] in -1..1 -> pictures [B F, H, W, C] in 0..1, clamped. */
function toPictures({ data, shape }: Tensor): Tensor {
  const [batch = 0, channels = 0, frames = 0, height = 0, width = 0] = shape
  const [out, size] = [new Float32Array(data.length), height * width]
  for (let b = 0, at = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let f = 0; f < frames; f++)
        for (let i = 0; i < size; i++, at++)
          out[((b * frames + f) * size + i) * channels + c] = Math.min(1, Math.max(0, data[at]! / 2 + 0.5))
  return tensor(out, [batch * frames, height, width, channels])
}

/** Pictures [F, H, W, 3] in 0..1 -> one video [1, 3, F, H, W] in -1..1. */
function toVideo({ data, shape }: Tensor): Tensor {
  const [frames = 0, height = 0, width = 0, channels = 0] = shape
  const out = new Float32Array(data.length)
  const size = frames * height * width
  for (let i = 0; i < size; i++) for (let c = 0; c < channels; c++) out[c * size + i] = 2 * data[i * channels + c]! - 1
  return tensor(out, [1, channels, frames, height, width])
}

/** AutoencoderKLHunyuanVideo in the form that the VAE port carries. */
export class HunyuanAutoencoder implements Autoencoder {
  readonly factor: number
  readonly temporalFactor: number
  readonly channels: number
  readonly #scale: number
  readonly #name: string
  readonly #encoder: ByFrames
  readonly #decoder: ByFrames

  constructor(config: HunyuanVaeConfig, weights: Weights) {
    this.factor = config.factor
    this.temporalFactor = config.temporalFactor
    this.channels = config.latentChannels
    this.#scale = config.scale
    this.#name = `VAE ${basename(dirname(weights.where))}/${basename(weights.where)}`
    const lookup = new WeightLookup(weights)
    const mode = chooseWeightMode(float32Bytes(weights))
    this.#encoder = new ByFrames(
      (frames) => hunyuanEncoderGraph(config, lookup, frames),
      mode,
      `${this.#name}, encoder`,
    )
    this.#decoder = new ByFrames(
      (frames) => hunyuanDecoderGraph(config, lookup, frames),
      mode,
      `${this.#name}, decoder`,
    )
  }

  async decode(latent: Tensor): Promise<Tensor> {
    if (latent.shape.length !== 5 || latent.shape[1] !== this.channels)
      throw foreignLatents(this.#name, latent.shape, `[B, ${this.channels}, F, h, w]`)
    return toPictures(await this.decodeRaw(scale(latent, 1 / this.#scale)))
  }

  async encode(pixels: Tensor): Promise<Tensor> {
    const [frames = 0, height = 0, width = 0, channels] = pixels.shape
    const whole = frames > 0 && height > 0 && width > 0 && height % this.factor === 0 && width % this.factor === 0
    if (pixels.shape.length !== 4 || channels !== 3 || !whole)
      throw new Error(
        `${this.#name}: frames are [${pixels.shape.join(', ')}], expected [F, H, W, 3] with H and W multiples of ${this.factor}`,
      )
    const used = frames - ((frames - 1) % this.temporalFactor)
    const video = toVideo({ data: pixels.data.subarray(0, used * height * width * 3), shape: [used, height, width, 3] })
    return scale(await this.encodeRaw(video), this.#scale)
  }

  /** latent [B, C, F, h, w], not scaled -> video [B, 3, 1 + (F - 1) t, h f, w f], not clamped. */
  async decodeRaw(latent: Tensor): Promise<Tensor> {
    const work = async (stretch: Tensor): Promise<Tensor> =>
      (await this.#decoder.run(stretch.shape[2] ?? 0, { latent: stretch }))['video']!
    const [frames, time] = [latent.shape[2] ?? 0, this.temporalFactor]
    if (frames <= LENGTH / time) return work(latent)
    const tiling = { length: LENGTH / time, stride: STRIDE / time, made: LENGTH, kept: STRIDE }
    return inStretches(latent, tiling, 1 + (frames - 1) * time, work)
  }

  /** video [B, 3, F, H, W] in -1..1 -> latent [B, C, 1 + floor((F - 1) / t), H / f, W / f], not scaled. */
  async encodeRaw(video: Tensor): Promise<Tensor> {
    const work = async (stretch: Tensor): Promise<Tensor> =>
      (await this.#encoder.run(stretch.shape[2] ?? 0, { video: stretch }))['latent']!
    const [frames, time] = [video.shape[2] ?? 0, this.temporalFactor]
    if (frames <= LENGTH) return work(video)
    const tiling = { length: LENGTH, stride: STRIDE, made: LENGTH / time, kept: STRIDE / time }
    return inStretches(video, tiling, 1 + Math.floor((frames - 1) / time), work)
  }

  /** Closes its sessions; they open again when needed. */
  async release(): Promise<void> {
    await this.#encoder.release()
    await this.#decoder.release()
  }
}
