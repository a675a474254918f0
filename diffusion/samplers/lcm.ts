/** Consistency sampling: to the clean latent and back to the next level with fresh noise (Song et al. 2023, algorithm 1; LCM). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'
import { snrOf } from './shared/snr.ts'

export default {
  name: 'lcm',
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    const { alpha } = snrOf(medium)
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const next = sigmas[i + 1]!
      const denoised = await denoise(x, sigmas[i]!)
      x = next === 0 ? denoised : axpy(scale(denoised, alpha(next)), next, medium.noise())
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
