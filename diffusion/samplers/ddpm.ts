/** DDPM: each step draws from the posterior of the next level given the clean latent (Ho et al. 2020, equation 7). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'
import { snrOf } from './shared/snr.ts'

/** Between levels sigma / alpha, so it holds for flow models too. (ComfyUI takes those for variance-preserving ones.) */
export default {
  name: 'ddpm',
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    const { alpha } = snrOf(medium)
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      if (next === 0) x = denoised
      else {
        // (next / alpha')^2 / (sigma / alpha)^2, without dividing by the alpha of pure noise, which is 0.
        const root = (next * alpha(sigma)) / (alpha(next) * sigma)
        const kept = (next * root) / sigma
        const mean = axpy(scale(x, kept), alpha(next) * (1 - root ** 2), denoised)
        x = axpy(mean, next * Math.sqrt(1 - root ** 2), medium.noise())
      }
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
