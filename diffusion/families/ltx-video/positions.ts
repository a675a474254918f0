/** Rotary tables of LTX-Video: places in seconds and pixels, as shares of the longest video and the largest picture it knows. */
import { tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'
import type { RotaryTables } from '../shared/rotary.ts'

const { fround } = Math
const THETA = 10_000
/** Seconds, rows and columns that make a share of 1. */
const WHOLE = [20, 2048, 2048] as const
/** Frames and pixels of a latent cell in the published autoencoder, and frames a second where no node says it. */
const USUAL = { frames: 8, cell: 32, rate: 25 }

/** Further inputs that the tables depend on: frames a second, and pixels of a latent cell along its sides. */
export const POSITION_INPUTS = ['frame_rate', 'cell_height', 'cell_width'] as const

/** Seconds and pixels of a latent cell along frames, rows and columns. */
const cellOf = (extras: Conditioning['extras']): readonly number[] => [
  USUAL.frames / (extras['frame_rate'] ?? USUAL.rate),
  extras['cell_height'] ?? USUAL.cell,
  extras['cell_width'] ?? USUAL.cell,
]

/** 1 to 10000 in `count` even steps of the logarithm, times pi / 2: rounded to float32 where the reference rounds, as the largest shows it. */
function frequencies(count: number): readonly number[] {
  const step = count > 1 ? fround(1 / (count - 1)) : 0
  return Array.from({ length: count }, (_, i) => {
    const exponent = i < count / 2 ? fround(step * i) : fround(1 - fround(step * (count - 1 - i)))
    return fround(fround(fround(THETA ** exponent) * fround(Math.PI)) / 2)
  })
}

/** Tables [F h w, width / 2] of a grid of latent cells; the values that are left over at the front of `width` do not turn. */
export function placeTables(
  width: number,
  [frames = 0, h = 0, w = 0]: readonly number[],
  extras: Conditioning['extras'],
): RotaryTables {
  const count = Math.floor(width / 6)
  const [half, still] = [width / 2, (width % 6) / 2]
  const own = frequencies(count)
  const shares = [frames, h, w].map((extent, axis) => {
    const cell = fround(cellOf(extras)[axis]!)
    return Array.from({ length: extent }, (_, i) => fround(fround(2 * fround(fround(i * cell) / WHOLE[axis]!)) - 1))
  })
  const tokens = frames * h * w
  const [cos, sin] = [new Float32Array(tokens * half).fill(1), new Float32Array(tokens * half)]
  for (let token = 0; token < tokens; token++) {
    const place = [Math.floor(token / (h * w)), Math.floor(token / w) % h, token % w]
    const at = token * half + still
    for (let axis = 0; axis < 3; axis++)
      for (let i = 0; i < count; i++) {
        const angle = fround(own[i]! * shares[axis]![place[axis]!]!)
        cos[at + 3 * i + axis] = Math.cos(angle)
        sin[at + 3 * i + axis] = Math.sin(angle)
      }
  }
  return { cos: tensor(cos, [tokens, half]), sin: tensor(sin, [tokens, half]) }
}
