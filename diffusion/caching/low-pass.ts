/** The low spatial frequencies of a prediction, by two thin Fourier products: real values in, real values out. */
import { tensor, type Tensor } from '../tensor.ts'

/** Cosines and sines of the frequencies -radius..radius over `size` places: [2 radius + 1][size]. */
function waves(radius: number, size: number) {
  const count = 2 * radius + 1
  const [cos, sin] = [new Float64Array(count * size), new Float64Array(count * size)]
  for (let f = 0; f < count; f++)
    for (let place = 0; place < size; place++) {
      const angle = (2 * Math.PI * (f - radius) * place) / size
      cos[f * size + place] = Math.cos(angle)
      sin[f * size + place] = Math.sin(angle)
    }
  return { cos, sin, count }
}

/** Real part of the inverse transform of one map's frequencies inside the disc; `out` gets height x width values. */
function lowPassMap(map: Float32Array, out: Float32Array, height: number, width: number, radius: number): void {
  const [rows, columns] = [waves(radius, height), waves(radius, width)]
  const { count } = rows
  // Along each line first: A[y][fx] = sum over x of map[y][x] e^(-i fx x).
  const [lineRe, lineIm] = [new Float64Array(height * count), new Float64Array(height * count)]
  for (let y = 0; y < height; y++)
    for (let f = 0; f < count; f++) {
      let [re, im] = [0, 0]
      for (let x = 0; x < width; x++) {
        re += map[y * width + x]! * columns.cos[f * width + x]!
        im -= map[y * width + x]! * columns.sin[f * width + x]!
      }
      lineRe[y * count + f] = re
      lineIm[y * count + f] = im
    }
  // B[y'][fx]: the disc's frequencies along y, taken back to places y'.
  const [backRe, backIm] = [new Float64Array(height * count), new Float64Array(height * count)]
  for (let fx = 0; fx < count; fx++)
    for (let fy = 0; fy < count; fy++) {
      if ((fx - radius) ** 2 + (fy - radius) ** 2 > radius ** 2) continue
      let [re, im] = [0, 0]
      for (let y = 0; y < height; y++) {
        const [c, s] = [rows.cos[fy * height + y]!, rows.sin[fy * height + y]!]
        re += lineRe[y * count + fx]! * c + lineIm[y * count + fx]! * s
        im += lineIm[y * count + fx]! * c - lineRe[y * count + fx]! * s
      }
      for (let y = 0; y < height; y++) {
        const [c, s] = [rows.cos[fy * height + y]!, rows.sin[fy * height + y]!]
        backRe[y * count + fx]! += re * c - im * s
        backIm[y * count + fx]! += re * s + im * c
      }
    }
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let sum = 0
      for (let f = 0; f < count; f++)
        sum +=
          backRe[y * count + f]! * columns.cos[f * width + x]! - backIm[y * count + f]! * columns.sin[f * width + x]!
      out[y * width + x] = sum / (height * width)
    }
}

/**
 * What of `maps` [.., H, W] lies at spatial frequencies inside the disc of `radius` (in cycles over the map, boundary included), each
 * map by itself. Exact: the disc is symmetric, so a real map has real low frequencies. `radius` is below half of the shorter side.
 */
export function lowPass(maps: Tensor, radius: number): Tensor {
  const [height = 1, width = 1] = maps.shape.slice(-2)
  if (!Number.isInteger(radius) || radius < 0 || 2 * radius >= Math.min(height, width))
    throw new RangeError(
      `lowPass: a radius of ${radius} on ${height} x ${width} places, expected 0 to below half of a side`,
    )
  const out = new Float32Array(maps.data.length)
  const size = height * width
  for (let at = 0; at < out.length; at += size)
    lowPassMap(maps.data.subarray(at, at + size), out.subarray(at, at + size), height, width, radius)
  return tensor(out, maps.shape)
}
