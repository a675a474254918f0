/** WAN's video autoencoder: videos to latents and back, one stretch of frames after another, so that memory does not grow with their length. */
import { basename, dirname } from 'node:path'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode } from '../../onnx/session.ts'
import { float32Bytes, type Weights } from '../../onnx/weights.ts'
import { concatRows, row, sizeOf, tensor, type Tensor } from '../../tensor.ts'
import { WeightLookup } from '../lookup.ts'
import { noMemory } from './causal-stream.ts'
import type { OpenedAutoencoder } from './kind.ts'
import { foreignLatents } from './latent-faults.ts'
import type { WanVaeConfig } from './wan-config.ts'
import { wanDecoder, wanEncoder, type StreamModel } from './wan-graphs.ts'

/** Most values of one layer's output at full size: a stretch is as long as they allow, and at least one latent frame. */
const STRETCH_VALUES = 2 ** 26

type Outputs = Readonly<Record<string, Tensor>>

/** One direction: a graph over stretches of frames, run from the first to the last. */
class Streamed {
  readonly #session: LazySession
  readonly #build: () => StreamModel
  #built: StreamModel | null = null

  constructor(build: () => StreamModel, weights: Weights, name: string) {
    this.#build = build
    const mode = chooseWeightMode(float32Bytes(weights))
    this.#session = new LazySession(() => this.#model().model, { mode, name, kind: 'convolutions' })
  }

  #model(): StreamModel {
    return (this.#built ??= this.#build())
  }

  /** Runs the stretches, fed as `input`; frames of the first are `height` x `width`. */
  async *run(input: string, stretches: readonly Tensor[], height: number, width: number): AsyncGenerator<Outputs> {
    const { memories } = this.#model()
    let memory: Outputs = noMemory(memories, height, width)
    let first = 1n
    for (const stretch of stretches) {
      const isFirst = { data: BigInt64Array.of(first), shape: [1] }
      const outputs = await this.#session.run({ [input]: stretch, first: isFirst, ...memory })
      memory = Object.fromEntries(memories.map(({ name }) => [name, outputs[name]!]))
      first = 0n
      yield outputs
    }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}

/** Places [from, to) of the first one, then of so many at a time, of `count` in all. */
function places(count: number, atATime: number): readonly (readonly [from: number, to: number])[] {
  const later = Array.from({ length: Math.ceil((count - 1) / atATime) }, (_, i): readonly [number, number] => {
    const from = 1 + i * atATime
    return [from, Math.min(count, from + atATime)]
  })
  return [[0, 1], ...later]
}

/** Frames [from, to) of one latent [1, C, F, h, w]. */
function latentFrames({ data, shape }: Tensor, from: number, to: number): Tensor {
  const [, channels = 0, frames = 0, height = 0, width = 0] = shape
  const plane = height * width
  const out = new Float32Array(channels * (to - from) * plane)
  for (let c = 0; c < channels; c++)
    out.set(data.subarray((c * frames + from) * plane, (c * frames + to) * plane), c * (to - from) * plane)
  return tensor(out, [1, channels, to - from, height, width])
}

/** Stretches [1, C, f, h, w] one after the other. */
function joinLatents(parts: readonly Tensor[]): Tensor {
  const [, channels = 0, , height = 0, width = 0] = parts[0]?.shape ?? []
  const frames = parts.reduce((sum, { shape }) => sum + (shape[2] ?? 0), 0)
  const plane = height * width
  const out = new Float32Array(channels * frames * plane)
  let at = 0
  for (const { data, shape } of parts) {
    const own = (shape[2] ?? 0) * plane
    for (let c = 0; c < channels; c++) out.set(data.subarray(c * own, (c + 1) * own), c * frames * plane + at)
    at += own
  }
  return tensor(out, [1, channels, frames, height, width])
}

/** AutoencoderKLWan in the form that the VAE port carries. */
export class WanAutoencoder implements OpenedAutoencoder {
  readonly factor: number
  readonly temporalFactor: number
  readonly channels: number
  readonly #name: string
  readonly #config: WanVaeConfig
  readonly #stretchValues: number
  readonly #encoder: Streamed
  readonly #decoder: Streamed

  /** `weights` by diffusers' names; `stretchValues` are the most values of one layer's output at full size. */
  constructor(config: WanVaeConfig, weights: Weights, stretchValues = STRETCH_VALUES) {
    this.factor = config.factor
    this.temporalFactor = config.temporalFactor
    this.channels = config.latentChannels
    this.#config = config
    this.#stretchValues = stretchValues
    this.#name = `VAE ${basename(dirname(weights.where))}/${basename(weights.where)}`
    const lookup = new WeightLookup(weights)
    this.#encoder = new Streamed(() => wanEncoder(config, lookup), weights, `${this.#name}, encoder`)
    this.#decoder = new Streamed(() => wanDecoder(config, lookup), weights, `${this.#name}, decoder`)
  }

  /** Latent frames after the first that are worked on at a time. */
  #stretch(height: number, width: number): number {
    const values = this.temporalFactor * height * width * (this.#config.decoderWidths[0] ?? 1)
    return Math.max(1, Math.floor(this.#stretchValues / values))
  }

  /** [B, C, F, h, w], or [B, C, h, w] for single pictures. */
  async decode(latent: Tensor): Promise<Tensor> {
    const [batch = 0, channels, ...cells] = latent.shape
    if (cells.length < 2 || cells.length > 3 || channels !== this.channels || sizeOf(cells) === 0)
      throw foreignLatents(this.#name, latent.shape, `[B, ${this.channels}, F, h, w] or [B, ${this.channels}, h, w]`)
    const [frames = 1, height = 0, width = 0] = cells.length === 2 ? [1, ...cells] : cells
    const decoded: Tensor[] = []
    for (let i = 0; i < batch; i++) {
      const video = { ...row(latent, i), shape: [1, this.channels, frames, height, width] }
      const size = this.#stretch(height * this.factor, width * this.factor)
      const stretches = places(frames, size).map(([from, to]) => latentFrames(video, from, to))
      for await (const { pixels } of this.#decoder.run('latent', stretches, height, width)) decoded.push(pixels!)
    }
    return concatRows(decoded)
  }

  /** The frames as one video; see `posterior`. */
  async encode(pixels: Tensor): Promise<Tensor> {
    return (await this.posterior(pixels)).mean
  }

  /** [F, H, W, 3] -> the mean of the posterior in the sampler's scale and its raw logarithmic variance [1, C, f, H / factor, W / factor]. */
  async posterior(pixels: Tensor): Promise<{ readonly mean: Tensor; readonly logvar: Tensor }> {
    const [count = 0, height = 0, width = 0, channels] = pixels.shape
    const whole = count > 0 && height > 0 && width > 0 && height % this.factor === 0 && width % this.factor === 0
    if (pixels.shape.length !== 4 || channels !== 3 || !whole)
      throw new Error(
        `${this.#name}: pixels are [${pixels.shape.join(', ')}], expected [F, H, W, 3] with H and W multiples of ${this.factor}`,
      )
    const t = this.temporalFactor
    const frames = (from: number, to: number): Tensor => {
      const size = height * width * 3
      return tensor(pixels.data.subarray(from * size, to * size), [to - from, height, width, 3])
    }
    const stretches = places(1 + Math.floor((count - 1) / t), this.#stretch(height, width)).map(([from, to]) =>
      from === 0 ? frames(0, 1) : frames(1 + (from - 1) * t, 1 + (to - 1) * t),
    )
    const parts: Outputs[] = []
    for await (const outputs of this.#encoder.run('pixels', stretches, height, width)) parts.push(outputs)
    const joined = (name: string): Tensor => joinLatents(parts.map((outputs) => outputs[name]!))
    return { mean: joined('latent'), logvar: joined('logvar') }
  }

  /** Closes its sessions; they open again when needed. */
  async release(): Promise<void> {
    await this.#encoder.release()
    await this.#decoder.release()
  }
}
