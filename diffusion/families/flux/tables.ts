/** Sinusoids of a FLUX model, made on the host: timestep features and rotary tables. */
import { tensor, type Tensor } from '../../tensor.ts'
import { float32Exp } from '../exponential.ts'
import { TIME_CHANNELS } from './config.ts'

const PERIOD = 10_000

/** Frequencies of the timestep features: made once, since their exponentials cost more than the sinusoids. */
const FREQUENCIES = Float32Array.from({ length: TIME_CHANNELS / 2 }, (_, i) =>
  float32Exp(Math.fround(Math.fround(Math.fround(-Math.log(PERIOD)) * i) / (TIME_CHANNELS / 2))),
)

/**
 * Features [B, 256] of noise levels in 0..1, or of guidance scales: cosines, then sines, of 1000 times the value. Rounded to
 * float32 where the reference rounds: arguments reach 1000, so it shows in the fifth digit.
 */
export function timeFeatures(values: ArrayLike<number>): Tensor {
  const half = TIME_CHANNELS / 2
  const out = new Float32Array(values.length * TIME_CHANNELS)
  for (let row = 0; row < values.length; row++) {
    const start = row * TIME_CHANNELS
    // The branches of a call are at one noise level.
    if (row > 0 && values[row] === values[row - 1]) {
      out.copyWithin(start, start - TIME_CHANNELS, start)
      continue
    }
    const time = Math.fround(Math.fround(values[row]!) * 1000)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(time * FREQUENCIES[i]!)
      out[start + i] = Math.cos(angle)
      out[start + half + i] = Math.sin(angle)
    }
  }
  return tensor(out, [values.length, TIME_CHANNELS])
}

/**
 * Rotary tables [L + h w, headSize / 2] for L text tokens, all at position (0, 0, 0), before the h w image tokens at
 * (0, row, column). `axes` says how many values of a head turn with each axis.
 */
export function rotaryTables(axes: readonly number[], textTokens: number, h: number, w: number) {
  const half = axes.reduce((sum, size) => sum + size, 0) / 2
  const tokens = textTokens + h * w
  const cos = new Float32Array(tokens * half)
  const sin = new Float32Array(tokens * half)
  for (let token = 0; token < tokens; token++) {
    const cell = token - textTokens
    const position = cell < 0 ? [0, 0, 0] : [0, Math.floor(cell / w), cell % w]
    let at = token * half
    for (const [axis, size] of axes.entries())
      for (let i = 0; i < size; i += 2, at++) {
        const angle = (position[axis] ?? 0) / PERIOD ** (i / size)
        cos[at] = Math.cos(angle)
        sin[at] = Math.sin(angle)
      }
  }
  return { cos: tensor(cos, [tokens, half]), sin: tensor(sin, [tokens, half]) }
}
