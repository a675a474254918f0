/** Token tensors averaged down to fewer tokens, as H2-Cache (arXiv 2510.27171) compares them. */
import { tensor, type Tensor } from '../tensor.ts'

/** Side of the squares that tokens are averaged over; 1 leaves them as they are. */
export const sideOf = (tokens: number, width: number, target: number): number =>
  target === 0 ? 1 : Math.min(Math.max(1, Math.floor(tokens / target)), tokens, width)

/**
 * Averages tokens [1, tokens, width] over squares of side floor(tokens / target), at least 1 and at most the width, across tokens
 * and channels alike; rows and columns that do not fill a square are dropped (average pooling of kernel = stride).
 */
export function pooled(a: Tensor, target: number): Tensor {
  const [, tokens = 1, width = 1] = a.shape
  const side = sideOf(tokens, width, target)
  if (side === 1) return a
  const [rows, columns] = [Math.floor(tokens / side), Math.floor(width / side)]
  const out = new Float64Array(rows * columns)
  for (let y = 0; y < rows * side; y++)
    for (let column = 0, at = y * width; column < columns; column++) {
      let sum = out[Math.floor(y / side) * columns + column]!
      for (let x = 0; x < side; x++, at++) sum += a.data[at]!
      out[Math.floor(y / side) * columns + column] = sum
    }
  return tensor(
    Float32Array.from(out, (sum) => sum / (side * side)),
    [1, rows, columns],
  )
}
