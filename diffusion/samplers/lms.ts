/** Linear multistep (Adams-Bashforth in sigma) of fourth order, as in k-diffusion. One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'

const ORDER = 4

/** Nodes of Gauss's rule of two points in -1..1: exact up to the cubics that fourth order has. */
const NODE = 1 / Math.sqrt(3)

/** Integral from `from` to `to` of the polynomial that is 1 at `places[j]` and 0 at the other places. */
function weight(places: readonly number[], j: number, from: number, to: number): number {
  const basis = (at: number): number =>
    places.reduce((product, place, k) => (k === j ? product : (product * (at - place)) / (places[j]! - place)), 1)
  const [middle, half] = [(from + to) / 2, (to - from) / 2]
  return half * (basis(middle - half * NODE) + basis(middle + half * NODE))
}

export default {
  name: 'lms',
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    /** Newest first. */
    let slopes: readonly Tensor[] = []
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      slopes = [scale(sub(x, denoised), 1 / sigma), ...slopes].slice(0, ORDER)
      const places = slopes.map((_, j) => sigmas[i - j]!)
      x =
        next === 0
          ? denoised
          : slopes.reduce((state, slope, j) => axpy(state, weight(places, j, sigma, next), slope), x)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
