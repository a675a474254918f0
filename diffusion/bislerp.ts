/** Resizing latents along great circles: neighbouring vectors are turned into each other instead of averaged, which keeps their lengths (ComfyUI's bislerp). */
import { tensor, zeros, type Tensor } from './tensor.ts'

/** From here on two directions count as one, or as opposite. */
const ALIGNED = 1 - 1e-5

/** The two places around an output place, and how far it lies towards the second. */
interface Between {
  readonly first: number
  readonly second: number
  readonly ratio: number
}

function places(from: number, to: number): readonly Between[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1)
    const first = Math.floor(at)
    return { first, second: Math.min(first + 1, from - 1), ratio: at - first }
  })
}

/** One vector between two: [a, b] at stride `step` in `data`, into `out` at `to` with stride `stride`. */
function slerp(data: Float32Array, a: number, b: number, step: number, ratio: number, channels: number): Float32Array {
  let [dot, lengthA, lengthB] = [0, 0, 0]
  for (let c = 0; c < channels; c++) {
    const [x, y] = [data[a + c * step]!, data[b + c * step]!]
    dot += x * y
    lengthA += x * x
    lengthB += y * y
  }
  ;[lengthA, lengthB] = [Math.sqrt(lengthA), Math.sqrt(lengthB)]
  const [unitA, unitB] = [lengthA > 0 ? 1 / lengthA : 0, lengthB > 0 ? 1 / lengthB : 0]
  const cosine = dot * unitA * unitB
  let [shareA, shareB] = [1 - ratio, ratio]
  if (cosine > ALIGNED) [shareA, shareB] = [1, 0]
  else if (cosine >= -ALIGNED) {
    const angle = Math.acos(cosine)
    const length = lengthA * (1 - ratio) + lengthB * ratio
    shareA = (Math.sin((1 - ratio) * angle) / Math.sin(angle)) * unitA * length
    shareB = (Math.sin(ratio * angle) / Math.sin(angle)) * unitB * length
  }
  return Float32Array.from({ length: channels }, (_, c) => shareA * data[a + c * step]! + shareB * data[b + c * step]!)
}

/** One axis of [B, C, H, W] brought to `to` places: 2 for the height, 3 for the width. */
function along(latent: Tensor, axis: 2 | 3, to: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = latent.shape
  const [rows, columns] = axis === 2 ? [to, width] : [height, to]
  const out = zeros([batch, channels, rows, columns])
  const plan = places(axis === 2 ? height : width, to)
  const [plane, made] = [height * width, rows * columns]
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        const { first, second, ratio } = plan[axis === 2 ? y : x]!
        const place = (at: number): number => b * channels * plane + (axis === 2 ? at * width + x : y * width + at)
        const vector = slerp(latent.data, place(first), place(second), plane, ratio, channels)
        vector.forEach((value, c) => (out.data[(b * channels + c) * made + y * columns + x] = value))
      }
  return out
}

/** [B, C, H, W] -> [B, C, height, width]. */
export function bislerp(latent: Tensor, height: number, width: number): Tensor {
  const [, , h = 0, w = 0] = latent.shape
  const wide = w === width ? latent : along(latent, 3, width)
  return h === height ? tensor(wide.data, wide.shape) : along(wide, 2, height)
}
