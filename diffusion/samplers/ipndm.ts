/** iPNDM: Adams-Bashforth of fourth order with the weights of even steps (Zhang and Chen 2023). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'

/** Weights of the slopes, newest first, by how many there are. */
const WEIGHTS = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const

export default {
  name: 'ipndm',
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    let slopes: readonly Tensor[] = []
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      slopes = [scale(sub(x, denoised), 1 / sigma), ...slopes].slice(0, WEIGHTS.length)
      const weights = WEIGHTS[slopes.length - 1]!
      x =
        next === 0 ? denoised : slopes.reduce((state, slope, k) => axpy(state, (next - sigma) * weights[k]!, slope), x)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
