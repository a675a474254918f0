/** Sinusoids made on the host: features of the timestep, and positions of the patches. */
import { tensor, type Tensor } from '../../tensor.ts'
import { float32Exp } from '../exponential.ts'

const PERIOD = 10_000
const { fround } = Math

/** Channels of the sinusoidal features of the timestep, the same in all families here. */
export const TIME_CHANNELS = 256

/** How a number is spread over sines and cosines of falling frequencies. */
export interface Sinusoids {
  /** Values of each number; an odd one is followed by a 0. */
  readonly channels: number
  /** Steps from the highest frequency, 1, to 1 / 10000: half the channels, or fewer where the lowest is to be just that. */
  readonly intervals: number
  readonly cosinesFirst: boolean
  /** Factor on the products of numbers and frequencies; 1 where absent. */
  readonly factor?: number
}

/** Rounded to float32 where the reference rounds: their arguments reach 1000. */
const frequency = (i: number, intervals: number): number =>
  float32Exp(fround(fround(fround(-Math.log(PERIOD)) * i) / intervals))

/** Features [B, channels] of B numbers (Vaswani et al. 2017, section 3.5, with the halves side by side). */
export function sinusoids(
  values: ArrayLike<number>,
  { channels, intervals, cosinesFirst, factor = 1 }: Sinusoids,
): Tensor {
  const half = channels >> 1
  const [cosines, sines] = cosinesFirst ? [0, half] : [half, 0]
  const frequencies = Float32Array.from({ length: half }, (_, i) => frequency(i, intervals))
  const out = new Float32Array(values.length * channels)
  for (let row = 0; row < values.length; row++)
    for (let i = 0; i < half; i++) {
      const angle = fround(factor * fround(fround(values[row]!) * frequencies[i]!))
      out[row * channels + cosines + i] = Math.cos(angle)
      out[row * channels + sines + i] = Math.sin(angle)
    }
  return tensor(out, [values.length, channels])
}

const HALF = TIME_CHANNELS / 2
/** The lowest frequency is one step above 1 / 10000, or is that (DiT as diffusers has it). */
const INTERVALS = { above: HALF, exact: HALF - 1 }

/** Features [B, 256] of times in training steps (0..1000), or of other sizes: cosines, then sines. */
export const timeFeatures = (times: ArrayLike<number>, lowest: keyof typeof INTERVALS = 'above'): Tensor =>
  sinusoids(times, { channels: TIME_CHANNELS, intervals: INTERVALS[lowest], cosinesFirst: true })

/** How positions of patches are counted. */
export interface Grid {
  /** Patches along each side at which positions are 0, 1, 2, ...; others are stretched to the same range. */
  readonly base: number
  /** Positions are divided by this. */
  readonly interpolation: number
}

/**
 * Fixed positions [h w, width] of a grid of patches (Peebles and Xie 2023, after MAE): for each half of the values a coordinate, the column
 * first; of each, sines, then cosines.
 */
export function gridPositions(width: number, h: number, w: number, { base, interpolation }: Grid): Tensor {
  const quarter = width / 4
  const out = new Float32Array(h * w * width)
  const coordinate = (index: number, count: number): number =>
    fround(fround(index / fround(count / base)) / interpolation)
  for (let y = 0, at = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (const position of [coordinate(x, w), coordinate(y, h)]) {
        for (let i = 0; i < quarter; i++, at++) {
          const angle = position / PERIOD ** (i / quarter)
          out[at] = Math.sin(angle)
          out[at + quarter] = Math.cos(angle)
        }
        at += quarter
      }
  return tensor(out, [h * w, width])
}
