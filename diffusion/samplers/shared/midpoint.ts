/** A step by the slope at its middle in log(sigma), shared by the DPM-Solver-2 samplers. */
import type { Denoise } from '../../sampling-types.ts'
import { axpy, lerp, scale, sub, type Tensor } from '../../tensor.ts'

/** From `x` at `sigma`, whose clean latent is `denoised`, to `next` above 0: x + (next - sigma) dx/dsigma at sqrt(sigma next). */
export async function throughMidpoint(
  denoise: Denoise,
  x: Tensor,
  denoised: Tensor,
  sigma: number,
  next: number,
): Promise<Tensor> {
  const middle = Math.sqrt(sigma * next)
  const half = lerp(denoised, x, middle / sigma)
  const slope = scale(sub(half, await denoise(half, middle)), 1 / middle)
  return axpy(x, next - sigma, slope)
}
