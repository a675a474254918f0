/** Linear multistep samplers: a step adds the slopes of the last evaluations, each by a length of its own. One evaluation a step. */
import type { Sampler } from '../../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../../tensor.ts'
import { onePerStep } from './evaluations.ts'

/**
 * Up to `order` slopes dx/dsigma are kept. `lengths` says how far along each of them a step to `next` goes, for slopes at the levels
 * `places`, newest first: the step begins at the first of them. The step to 0 takes the clean latent.
 */
export const adamsBashforth = (
  name: string,
  order: number,
  lengths: (places: readonly number[], next: number) => readonly number[],
): Sampler => ({
  name,
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    /** Newest first. */
    let slopes: readonly Tensor[] = []
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      slopes = [scale(sub(x, denoised), 1 / sigma), ...slopes].slice(0, order)
      const along = lengths(
        slopes.map((_, j) => sigmas[i - j]!),
        next,
      )
      x = next === 0 ? denoised : slopes.reduce((state, slope, j) => axpy(state, along[j]!, slope), x)
      onStep(i + 1, denoised)
    }
    return x
  },
})
