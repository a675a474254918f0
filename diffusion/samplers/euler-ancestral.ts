/** Euler steps that go below the next level and come back with fresh noise (k-diffusion; ComfyUI's form for flow models). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { lerp } from '../tensor.ts'
import { ancestralStep, renoised } from './shared/ancestral.ts'
import { onePerStep } from './shared/evaluations.ts'

export default {
  name: 'euler_ancestral',
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const sigma = sigmas[i]!
      const denoised = await denoise(x, sigma)
      const step = ancestralStep(medium, sigma, sigmas[i + 1]!)
      x = step.down === 0 ? denoised : renoised(lerp(denoised, x, step.down / sigma), step, medium)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
