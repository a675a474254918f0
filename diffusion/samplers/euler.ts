/** The Euler sampler: one evaluation and one straight step per noise level. */
import type { Sampler } from '../sampling-types.ts'
import { lerp } from '../tensor.ts'

const euler = {
  name: 'euler',
  evaluations: (sigmas) => Math.max(0, sigmas.length - 1),
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      // x + (next - sigma) (x - denoised) / sigma
      x = lerp(denoised, x, next / sigma)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler

export default euler
