/** DPM-Solver++ of the stochastic equation, single steps with a middle (k-diffusion, eta 1, r 1/2). Two evaluations a step, one for the step to 0. */
import type { Denoise, Medium, Sampler } from '../sampling-types.ts'
import { axpy, lerp, scale, type Tensor } from '../tensor.ts'
import { posteriorSplit } from './shared/ancestral.ts'
import { twoPerStep } from './shared/evaluations.ts'
import { belowCeiling, snrOf, type Snr } from './shared/snr.ts'

interface Place {
  readonly x: Tensor
  readonly sigma: number
}

/** A stochastic step from `from` to the level `to` towards a clean latent, with this unit noise. */
function step({ x, sigma }: Place, aim: Tensor, to: number, noise: Tensor, { alpha }: Snr): Tensor {
  const [from, until] = [sigma / alpha(sigma), to / alpha(to)]
  const split = posteriorSplit(from, until)
  const moved = lerp(aim, scale(x, 1 / alpha(sigma)), split.down / from)
  return scale(axpy(moved, split.noise, noise), alpha(to))
}

/**
 * One step to `next` above 0. The noise up to the middle is part of the noise of the whole step, as of one Brownian path over
 * sigma. (ComfyUI's path is a Brownian tree: the same distribution, other values.)
 */
async function stepWithMiddle(denoise: Denoise, at: Place, denoised: Tensor, next: number, snr: Snr, medium: Medium) {
  const middle = snr.sigma((snr.lambda(at.sigma) + snr.lambda(next)) / 2)
  const [early, late] = [medium.noise(), medium.noise()]
  const share = (at.sigma - middle) / (at.sigma - next)
  const whole = axpy(scale(early, Math.sqrt(share)), Math.sqrt(1 - share), late)
  const half = step(at, denoised, middle, early, snr)
  return step(at, await denoise(half, middle), next, whole, snr)
}

export default {
  name: 'dpmpp_sde',
  evaluations: twoPerStep,
  async sample(denoise, latent, given, onStep, medium) {
    const snr = snrOf(medium)
    const sigmas = belowCeiling(given, medium)
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      x = next === 0 ? denoised : await stepWithMiddle(denoise, { x, sigma }, denoised, next, snr, medium)
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
