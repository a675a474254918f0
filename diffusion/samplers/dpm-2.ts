/** DPM-Solver-2: each step is taken with the slope half way in log(sigma) (Karras et al. 2022, algorithm 2, as in k-diffusion). Two evaluations a step, one for the step to 0. */
import type { Sampler } from '../sampling-types.ts'
import { lerp } from '../tensor.ts'
import { twoPerStep } from './shared/evaluations.ts'
import { throughMidpoint } from './shared/midpoint.ts'

export default {
  name: 'dpm_2',
  skipsPenultimate: true,
  evaluations: twoPerStep,
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      x = next === 0 ? lerp(denoised, x, 0) : await throughMidpoint(denoise, x, denoised, sigma, next)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
