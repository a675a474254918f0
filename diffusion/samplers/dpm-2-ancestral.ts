/** DPM-Solver-2 steps below the next level, and up again with fresh noise (k-diffusion). Two evaluations a step, one for the step to 0. */
import type { Sampler } from '../sampling-types.ts'
import { ancestralStep, renoised } from './shared/ancestral.ts'
import { twoPerStep } from './shared/evaluations.ts'
import { throughMidpoint } from './shared/midpoint.ts'

export default {
  name: 'dpm_2_ancestral',
  skipsPenultimate: true,
  evaluations: twoPerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const sigma = sigmas[i]!
      const denoised = await denoise(x, sigma)
      const step = ancestralStep(medium, sigma, sigmas[i + 1]!)
      x =
        step.down === 0
          ? denoised
          : renoised(await throughMidpoint(denoise, x, denoised, sigma, step.down), step, medium)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
