/** DPM-Solver++(2S) steps below the next level, and up again with fresh noise (k-diffusion). Two evaluations a step, one for the step to 0. */
import type { Sampler } from '../sampling-types.ts'
import { lerp } from '../tensor.ts'
import { ancestralStep, renoised } from './shared/ancestral.ts'
import { twoPerStep } from './shared/evaluations.ts'
import { snrOf } from './shared/snr.ts'

/** Where ComfyUI evaluates within a step from pure noise, whose log signal-to-noise ratio has no middle. */
const NEARLY_NOISE = 0.9999

export default {
  name: 'dpmpp_2s_ancestral',
  evaluations: twoPerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    const snr = snrOf(medium)
    const middle = (from: number, to: number): number =>
      medium.kind === 'flow' && from === 1 ? NEARLY_NOISE : snr.sigma((snr.lambda(from) + snr.lambda(to)) / 2)
    let x = latent
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const sigma = sigmas[i]!
      const denoised = await denoise(x, sigma)
      const step = ancestralStep(medium, sigma, sigmas[i + 1]!)
      if (step.down === 0) x = denoised
      else {
        const at = middle(sigma, step.down)
        const aim = await denoise(lerp(denoised, x, at / sigma), at)
        x = renoised(lerp(aim, x, step.down / sigma), step, medium)
      }
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
