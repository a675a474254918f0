/** Sinusoids made on the host: features of the timestep, and positions of the patches. */
import { tensor, type Tensor } from '../../tensor.ts'
import { float32Exp } from '../exponential.ts'

const PERIOD = 10_000
const { fround } = Math

/** Channels of the sinusoidal features of the timestep, the same in all families here. */
export const TIME_CHANNELS = 256

const HALF = TIME_CHANNELS / 2

/** Frequencies of the timestep features, rounded to float32 where the reference rounds: their arguments reach 1000. */
const frequencies = (intervals: number): Float32Array =>
  Float32Array.from({ length: HALF }, (_, i) => float32Exp(fround(fround(fround(-Math.log(PERIOD)) * i) / intervals)))

/** The lowest frequency is one step above 1 / 10000, or is that (DiT as diffusers has it). */
const FREQUENCIES = { above: frequencies(HALF), exact: frequencies(HALF - 1) }

/** Features [B, 256] of times in training steps (0..1000), or of other sizes: cosines, then sines. */
export function timeFeatures(times: ArrayLike<number>, lowest: keyof typeof FREQUENCIES = 'above'): Tensor {
  const out = new Float32Array(times.length * TIME_CHANNELS)
  for (let row = 0; row < times.length; row++)
    for (let i = 0; i < HALF; i++) {
      const angle = fround(fround(times[row]!) * FREQUENCIES[lowest][i]!)
      out[row * TIME_CHANNELS + i] = Math.cos(angle)
      out[row * TIME_CHANNELS + HALF + i] = Math.sin(angle)
    }
  return tensor(out, [times.length, TIME_CHANNELS])
}

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
