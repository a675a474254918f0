/** AutoencoderKL: pictures to latents and back, on sessions that open when first needed. */
import { basename, dirname } from 'node:path'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode } from '../../onnx/session.ts'
import { float32Bytes, type Weights } from '../../onnx/weights.ts'
import { assertRoom } from '../../room.ts'
import type { Tensor } from '../../tensor.ts'
import type { Autoencoder, LatentScaling } from '../contract.ts'
import { WeightLookup } from '../lookup.ts'
import type { VaeConfig } from './config.ts'
import { decoderGraph, encoderGraph } from './graphs.ts'
import { foreignLatents } from './latent-faults.ts'

const FLOAT = 4

/** What the attention's tensors were called before diffusers 0.17 (the files of SD 1.5). */
const OLD_NAMES = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' }

/** The two graphs of an AutoencoderKL over `weights`. */
export const vaeWeights = (weights: Weights): WeightLookup => new WeightLookup(weights, '', OLD_NAMES)

/** An AutoencoderKL in the form that the VAE port carries. */
export class KlAutoencoder implements Autoencoder {
  readonly factor: number
  readonly channels: number
  readonly scaling: LatentScaling
  readonly #name: string
  /** Bytes that are held at least for each pixel: what a convolution takes and gives at full size, after the last doubling and first of all. */
  readonly #held: { readonly decoding: number; readonly encoding: number }
  readonly #encoder: LazySession
  readonly #decoder: LazySession

  constructor(config: VaeConfig, weights: Weights) {
    this.factor = config.factor
    this.channels = config.latentChannels
    const [first = 0, second = first] = config.widths
    this.#held = { decoding: 2 * FLOAT * second, encoding: 2 * FLOAT * first }
    this.scaling = { scale: config.scale, shift: config.shift }
    this.#name = `VAE ${basename(dirname(weights.where))}/${basename(weights.where)}`
    const lookup = vaeWeights(weights)
    const mode = chooseWeightMode(float32Bytes(weights))
    const options = (part: string) => ({ mode, name: `${this.#name}, ${part}`, kind: 'convolutions' as const })
    this.#encoder = new LazySession(() => encoderGraph(config, lookup), options('encoder'))
    this.#decoder = new LazySession(() => decoderGraph(config, lookup), options('decoder'))
  }

  async decode(latent: Tensor): Promise<Tensor> {
    if (latent.shape.length !== 4 || latent.shape[1] !== this.channels)
      throw foreignLatents(this.#name, latent.shape, `[B, ${this.channels}, h, w]`)
    const [batch = 0, , height = 0, width = 0] = latent.shape
    this.#assertRoom('decoding', batch, height * this.factor, width * this.factor)
    return (await this.#decoder.run({ latent }))['pixels']!
  }

  async encode(pixels: Tensor): Promise<Tensor> {
    const [batch = 0, height = 0, width = 0, channels] = pixels.shape
    const whole = height > 0 && width > 0 && height % this.factor === 0 && width % this.factor === 0
    if (pixels.shape.length !== 4 || channels !== 3 || !whole)
      throw new Error(
        `${this.#name}: pixels are [${pixels.shape.join(', ')}], expected [B, H, W, 3] with H and W multiples of ${this.factor}`,
      )
    this.#assertRoom('encoding', batch, height, width)
    return (await this.#encoder.run({ pixels }))['latent']!
  }

  #assertRoom(doing: 'decoding' | 'encoding', batch: number, height: number, width: number): void {
    assertRoom({
      what: `${this.#name}: ${doing}`,
      bytes: this.#held[doing] * batch * height * width,
      ...{ height, width },
      instead: `${batch > 1 ? 'A smaller batch needs less too. ' : ''}VAE Decode (Tiled) and VAE Encode (Tiled) need the memory of one tile.`,
    })
  }

  /** Closes its sessions; they open again when needed. */
  async release(): Promise<void> {
    await this.#encoder.release()
    await this.#decoder.release()
  }
}
