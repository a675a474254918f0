/** AutoencoderKL: pictures to latents and back, on sessions that open when first needed. */
import { basename, dirname, join } from 'node:path'
import type { Model } from '../../onnx/graph.ts'
import { chooseWeightMode, openSession, type Session } from '../../onnx/session.ts'
import { float32Bytes, openWeightsFolder, type Weights } from '../../onnx/weights.ts'
import type { Tensor } from '../../tensor.ts'
import type { Autoencoder } from '../contract.ts'
import { readJson } from '../json.ts'
import { WeightLookup } from '../lookup.ts'
import { parseVaeConfig, type VaeConfig } from './config.ts'
import { decoderGraph, encoderGraph } from './graphs.ts'

/** What the attention's tensors were called before diffusers 0.17 (the files of SD 1.5). */
const OLD_NAMES = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' }

/** The two graphs of an AutoencoderKL over `weights`. */
export const vaeWeights = (weights: Weights): WeightLookup => new WeightLookup(weights, '', OLD_NAMES)

/** An AutoencoderKL in the form that the VAE port carries. */
export class KlAutoencoder implements Autoencoder {
  readonly factor: number
  readonly channels: number
  readonly #config: VaeConfig
  readonly #weights: Weights
  readonly #name: string
  readonly #sessions = new Map<string, Promise<Session>>()

  constructor(config: VaeConfig, weights: Weights) {
    this.#config = config
    this.#weights = weights
    this.#name = `VAE ${basename(dirname(weights.where))}/${basename(weights.where)}`
    this.factor = config.factor
    this.channels = config.latentChannels
  }

  #session(part: string, graph: (config: VaeConfig, weights: WeightLookup) => Model): Promise<Session> {
    const mode = chooseWeightMode(float32Bytes(this.#weights))
    const opening =
      this.#sessions.get(part) ??
      openSession(graph(this.#config, vaeWeights(this.#weights)), mode, `${this.#name}, ${part}`, 'convolutions')
    this.#sessions.set(part, opening)
    return opening
  }

  async decode(latent: Tensor): Promise<Tensor> {
    if (latent.shape.length !== 4 || latent.shape[1] !== this.channels)
      throw new Error(`${this.#name}: latents are [${latent.shape.join(', ')}], expected [B, ${this.channels}, h, w]`)
    const session = await this.#session('decoder', decoderGraph)
    return (await session.run({ latent }))['pixels']!
  }

  async encode(pixels: Tensor): Promise<Tensor> {
    const [, height = 0, width = 0, channels] = pixels.shape
    const whole = height > 0 && width > 0 && height % this.factor === 0 && width % this.factor === 0
    if (pixels.shape.length !== 4 || channels !== 3 || !whole)
      throw new Error(
        `${this.#name}: pixels are [${pixels.shape.join(', ')}], expected [B, H, W, 3] with H and W multiples of ${this.factor}`,
      )
    const session = await this.#session('encoder', encoderGraph)
    return (await session.run({ pixels }))['latent']!
  }

  /** Closes its sessions; they open again when needed. */
  async release(): Promise<void> {
    const opened = await Promise.allSettled(this.#sessions.values())
    this.#sessions.clear()
    await Promise.all(opened.map((result) => (result.status === 'fulfilled' ? result.value.release() : undefined)))
  }
}

/** Opens the `vae` folder of a diffusers model: config.json and weights. */
export async function openAutoencoder(folder: string): Promise<KlAutoencoder> {
  const file = join(folder, 'config.json')
  const config = parseVaeConfig(await readJson(file), file)
  return new KlAutoencoder(config, await openWeightsFolder(folder))
}
