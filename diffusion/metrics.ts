/** How far two pictures are apart: PSNR in decibels and SSIM, for values in 0..1. */
import type { Tensor } from './tensor.ts'

function requireSameShape(a: Tensor, b: Tensor, what: string): void {
  if (a.shape.join() !== b.shape.join())
    throw new Error(
      `${what}: pictures of shape [${a.shape.join(', ')}] and [${b.shape.join(', ')}] cannot be compared; make them the same size`,
    )
}

/** Peak signal-to-noise ratio over all values, 10 log10(1 / mean squared error); Infinity for equal pictures. */
export function psnr(a: Tensor, b: Tensor): number {
  requireSameShape(a, b, 'psnr')
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2
  return sum === 0 ? Infinity : -10 * Math.log10(sum / a.data.length)
}

/** Window and constants of Wang et al. 2004, section III: 11x11 gaussian, sigma 1.5, K1 0.01, K2 0.03. */
const RADIUS = 5
const KERNEL = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-((i - RADIUS) ** 2) / (2 * 1.5 ** 2)))
const KERNEL_SUM = KERNEL.reduce((sum, weight) => sum + weight, 0)
const [C1, C2] = [0.01 ** 2, 0.03 ** 2]

/** Separable gaussian over the valid region: [height, width] to [height - 10, width - 10]. */
function blur(plane: Float64Array, height: number, width: number): Float64Array {
  const inner = width - 2 * RADIUS
  const across = new Float64Array(height * inner)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < inner; x++) {
      let sum = 0
      for (let k = 0; k < KERNEL.length; k++) sum += KERNEL[k]! * plane[y * width + x + k]!
      across[y * inner + x] = sum / KERNEL_SUM
    }
  const rows = height - 2 * RADIUS
  const out = new Float64Array(rows * inner)
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < inner; x++) {
      let sum = 0
      for (let k = 0; k < KERNEL.length; k++) sum += KERNEL[k]! * across[(y + k) * inner + x]!
      out[y * inner + x] = sum / KERNEL_SUM
    }
  return out
}

/** Sum of the SSIM map of two planes and its number of windows. */
function planeSsim(a: Float64Array, b: Float64Array, height: number, width: number): { sum: number; windows: number } {
  const product = (x: Float64Array, y: Float64Array) => x.map((value, i) => value * y[i]!)
  const [ma, mb] = [blur(a, height, width), blur(b, height, width)]
  const [aa, bb, ab] = [product(a, a), product(b, b), product(a, b)].map((plane) => blur(plane, height, width))
  let sum = 0
  for (let i = 0; i < ma.length; i++) {
    const [x, y] = [ma[i]!, mb[i]!]
    const [va, vb, cov] = [aa![i]! - x * x, bb![i]! - y * y, ab![i]! - x * y]
    sum += ((2 * x * y + C1) * (2 * cov + C2)) / ((x * x + y * y + C1) * (va + vb + C2))
  }
  return { sum, windows: ma.length }
}

/** Structural similarity of two IMAGEs [B, H, W, 3], averaged over windows and colours; 1 for equal pictures. Sides of 11 or more. */
export function ssim(a: Tensor, b: Tensor): number {
  requireSameShape(a, b, 'ssim')
  const [batch = 0, height = 0, width = 0, channels = 0] = a.shape
  if (height <= 2 * RADIUS || width <= 2 * RADIUS)
    throw new Error(`ssim: a picture of ${width}x${height} is smaller than its 11x11 window`)
  let sum = 0
  let windows = 0
  for (let image = 0; image < batch; image++)
    for (let c = 0; c < channels; c++) {
      const plane = (of: Tensor) =>
        Float64Array.from({ length: height * width }, (_, i) => of.data[(image * height * width + i) * channels + c]!)
      const part = planeSsim(plane(a), plane(b), height, width)
      sum += part.sum
      windows += part.windows
    }
  return sum / windows
}
