/** Heun's sampler: each step is taken with the mean of the slopes at its two ends (Karras et al. 2022, algorithm 1). */
import type { Sampler } from '../sampling-types.ts'
import { add, axpy, lerp, scale, sub, type Tensor } from '../tensor.ts'

/** dx/dsigma. */
const slope = (x: Tensor, denoised: Tensor, sigma: number): Tensor => scale(sub(x, denoised), 1 / sigma)

const heun: Sampler = {
  name: 'heun',
  // The step to sigma 0 has no slope at its end and is an Euler step.
  evaluations: (sigmas) => sigmas.slice(1).reduce((sum, next) => sum + (next === 0 ? 1 : 2), 0),
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      const ahead = lerp(denoised, x, next / sigma)
      if (next === 0) x = ahead
      else {
        const [here, there] = [slope(x, denoised, sigma), slope(ahead, await denoise(ahead, next), next)]
        x = axpy(x, (next - sigma) / 2, add(here, there))
      }
      onStep(i + 1, denoised)
    }
    return x
  },
}

export default heun
