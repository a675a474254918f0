/** AB2: the two-step Adams-Bashforth method with variable steps, one evaluation a step (Hairer, Norsett, Wanner, Solving ODEs I, section III.5). */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'

/** One evaluation: where it was made, and dx/dsigma there. */
interface Evaluation {
  readonly sigma: number
  readonly slope: Tensor
}

/**
 * The slope is continued as the line in sigma through the last two, and the line integrated exactly; the first step is Euler's. A cache that
 * carries the prediction on as it was is Euler on the steps that it computes; one that carries a line on is this method there, up to
 * the line being summed over the skipped steps instead of integrated. Few steps on well chosen levels are such a cache's honest rival.
 */
const ab2: Sampler = {
  name: 'ab2',
  evaluations: (sigmas) => Math.max(0, sigmas.length - 1),
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    let before: Evaluation | null = null
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      const slope = scale(sub(x, denoised), 1 / sigma)
      const step = next - sigma
      x = axpy(x, step, slope)
      // step^2 / 2 times the line's slope (slope - before) / (sigma - before).
      if (before) x = axpy(x, step ** 2 / (2 * (sigma - before.sigma)), sub(slope, before.slope))
      before = { sigma, slope }
      onStep(i + 1, denoised)
    }
    return x
  },
}

export default ab2
