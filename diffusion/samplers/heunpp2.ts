/** Heun++: each step is taken with a mean of the slopes at the next two levels and its own, by weights of the level (as in ComfyUI). Three evaluations a step, two for the last but one, one for the last. */
import type { Denoise, Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'

const slope = (x: Tensor, denoised: Tensor, sigma: number): Tensor => scale(sub(x, denoised), 1 / sigma)

/** Slopes at the levels, the first known, each reached by an Euler step from the one before. */
async function slopesAlong(denoise: Denoise, x: Tensor, first: Tensor, levels: readonly number[]): Promise<Tensor[]> {
  const slopes = [first]
  let at = x
  for (let k = 1; k < levels.length; k++) {
    at = axpy(at, levels[k]! - levels[k - 1]!, slopes[k - 1]!)
    slopes.push(slope(at, await denoise(at, levels[k]!), levels[k]!))
  }
  return slopes
}

const evaluationsOf = (stepsLeft: number): number => Math.min(3, stepsLeft)

export default {
  name: 'heunpp2',
  evaluations: (sigmas) => sigmas.slice(1).reduce((sum, _, i) => sum + evaluationsOf(sigmas.length - 1 - i), 0),
  async sample(denoise, latent, sigmas, onStep) {
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const denoised = await denoise(x, sigmas[i]!)
      const levels = sigmas.slice(i, i + evaluationsOf(sigmas.length - 1 - i))
      const slopes = await slopesAlong(denoise, x, slope(x, denoised, sigmas[i]!), levels)
      const weights = levels.map((level) => level / (levels.length * sigmas[0]!))
      weights[0] = 1 - weights.slice(1).reduce((sum, one) => sum + one, 0)
      const length = sigmas[i + 1]! - sigmas[i]!
      x = slopes.reduce((state, one, k) => axpy(state, weights[k]! * length, one), x)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
