/** Seeded normal noise, value for value what PyTorch's CPU generator gives, so that a seed names the same picture everywhere. */
import { concatRows, sizeOf, tensor, type Tensor } from './tensor.ts'

const STATE = 624
const SHIFT = 397
/** Below this many values PyTorch draws one at a time in float64; from here on in blocks of 16 in float32. */
const BLOCK = 16

/** The Mersenne Twister with 32-bit outputs (Matsumoto and Nishimura 1998). */
class MersenneTwister {
  readonly #state = new Uint32Array(STATE)
  #next = STATE

  constructor(seed: number) {
    this.#state[0] = seed
    for (let i = 1; i < STATE; i++) {
      const previous = this.#state[i - 1]!
      this.#state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i
    }
  }

  #refill(): void {
    const s = this.#state
    for (let i = 0; i < STATE; i++) {
      const y = (s[i]! & 0x8000_0000) | (s[(i + 1) % STATE]! & 0x7fff_ffff)
      s[i] = s[(i + SHIFT) % STATE]! ^ (y >>> 1) ^ (y & 1 ? 0x9908_b0df : 0)
    }
    this.#next = 0
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    if (this.#next === STATE) this.#refill()
    let y = this.#state[this.#next++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c_5680
    y ^= (y << 15) & 0xefc6_0000
    return (y ^ (y >>> 18)) >>> 0
  }
}

const TWO_PI_F32 = Math.fround(2 * Math.PI)

/** Box-Muller over 16 uniforms in place; every operation is rounded to float32, as PyTorch's is. */
function toNormal(values: Float32Array, at: number): void {
  for (let j = at; j < at + BLOCK / 2; j++) {
    const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(1 - values[j]!)))))
    const theta = Math.fround(TWO_PI_F32 * values[j + BLOCK / 2]!)
    values[j] = radius * Math.fround(Math.cos(theta))
    values[j + BLOCK / 2] = radius * Math.fround(Math.sin(theta))
  }
}

/** One generator, as `torch.Generator().manual_seed(seed)`: successive draws go on where the last one stopped. */
export class NormalGenerator {
  readonly #bits: MersenneTwister
  /** The second value of the last float64 pair, if it has not been given out. */
  #spare: number | null = null

  /** `seed` from 0 to 2^64 - 1; like PyTorch, the twister is seeded with its low 32 bits only. */
  constructor(seed: bigint) {
    if (seed < 0n || seed >= 1n << 64n) throw new RangeError(`seed ${seed}: expected 0 to 18446744073709551615`)
    this.#bits = new MersenneTwister(Number(seed & 0xffff_ffffn))
  }

  /** Standard normal values of this shape: one draw for the whole tensor, the batch included, as ComfyUI makes its noise. */
  draw(shape: readonly number[]): Tensor {
    const values = new Float32Array(sizeOf(shape))
    if (values.length < BLOCK) for (let i = 0; i < values.length; i++) values[i] = this.#single()
    else this.#fill(values)
    return tensor(values, shape)
  }

  #uniform24(): number {
    return (this.#bits.next() & 0xff_ffff) / 2 ** 24
  }

  #uniform53(): number {
    const high = this.#bits.next() & 0x1f_ffff
    return (high * 2 ** 32 + this.#bits.next()) / 2 ** 53
  }

  #fill(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) values[i] = this.#uniform24()
    for (let i = 0; i + BLOCK <= values.length; i += BLOCK) toNormal(values, i)
    if (values.length % BLOCK === 0) return
    // PyTorch draws the last 16 values afresh when the length is no multiple of 16.
    const tail = values.length - BLOCK
    for (let i = tail; i < values.length; i++) values[i] = this.#uniform24()
    toNormal(values, tail)
  }

  #single(): number {
    if (this.#spare !== null) {
      const value = this.#spare
      this.#spare = null
      return value
    }
    const theta = 2 * Math.PI * this.#uniform53()
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()))
    this.#spare = radius * Math.sin(theta)
    return radius * Math.cos(theta)
  }
}

/** The starting noise of a run: `shape` is [B, C, H, W] (video: [B, C, F, H, W]). */
export const normalNoise = (seed: bigint, shape: readonly number[]): Tensor => new NormalGenerator(seed).draw(shape)

/**
 * Starting noise of latents taken out of a larger batch, or repeated: `draws` names for each row which of the seed's draws of one
 * latent [1, ...] it is, as ComfyUI counts them.
 */
export function noiseByDraw(seed: bigint, shape: readonly number[], draws: readonly number[]): Tensor {
  const generator = new NormalGenerator(seed)
  const one = [1, ...shape.slice(1)]
  const last = draws.reduce((most, draw) => Math.max(most, draw), 0)
  const drawn = Array.from({ length: last + 1 }, () => generator.draw(one))
  return concatRows(draws.map((draw) => drawn[draw]!))
}
