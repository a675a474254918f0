/** DPM-Solver++(2M) of the stochastic equation (Lu et al. 2022, section 5; k-diffusion's midpoint form, eta 1). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'
import { belowCeiling, snrOf } from './shared/snr.ts'

/**
 * Steps do not overlap, so their noises are independent draws. (ComfyUI takes them from a Brownian tree: the same distribution,
 * other values.)
 */
export default {
  name: 'dpmpp_2m_sde',
  evaluations: onePerStep,
  async sample(denoise, latent, given, onStep, medium) {
    const { alpha, lambda } = snrOf(medium)
    const sigmas = belowCeiling(given, medium)
    let x = latent
    let before: { readonly denoised: Tensor; readonly h: number } | null = null
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      if (next === 0) x = denoised
      else {
        const h = lambda(next) - lambda(sigma)
        const pull = alpha(next) * -Math.expm1(-2 * h)
        x = axpy(scale(x, (next / sigma) * Math.exp(-h)), pull, denoised)
        if (before) x = axpy(x, (0.5 * pull * h) / before.h, sub(denoised, before.denoised))
        x = axpy(x, next * Math.sqrt(-Math.expm1(-2 * h)), medium.noise())
        before = { denoised, h }
      }
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
