/** DPM-Solver++(2M): a second-order multistep sampler with one evaluation per step (Lu et al. 2022, algorithm 2). */
import type { Sampler } from '../sampling-types.ts'
import { lerp, type Tensor } from '../tensor.ts'

/**
 * The solver over a time `lambda(sigma)` that rises as noise falls. k-diffusion, and with it ComfyUI, takes -log(sigma) for every
 * model; diffusers takes log((1 - sigma) / sigma) for flow models. Both are of second order, with other weights for the past.
 * `reach` says how far along a step of length h the line through both estimates is read, as a share of h: its middle here.
 */
export const multistep = (
  name: string,
  lambda: (sigma: number) => number,
  reach: (step: number) => number = () => 0.5,
): Sampler => ({
  name,
  evaluations: (sigmas) => Math.max(0, sigmas.length - 1),
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    let before: Tensor | null = null
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      let aim = denoised
      if (before && next !== 0) {
        const step = lambda(next) - lambda(sigma)
        const lastStep = lambda(sigma) - lambda(sigmas[i - 1]!)
        // denoised + reach (denoised - before) / r, r = lastStep / step
        aim = lerp(before, denoised, 1 + (reach(step) * step) / lastStep)
      }
      x = lerp(aim, x, next / sigma)
      before = denoised
      onStep(i + 1, denoised)
    }
    return x
  },
})

export default multistep('dpmpp_2m', (sigma) => -Math.log(sigma))
