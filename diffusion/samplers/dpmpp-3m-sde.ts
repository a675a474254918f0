/** DPM-Solver++(3M) of the stochastic equation (k-diffusion, eta 1). One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import { axpy, scale, sub, type Tensor } from '../tensor.ts'
import { onePerStep } from './shared/evaluations.ts'
import { belowCeiling, snrOf } from './shared/snr.ts'

interface Past {
  readonly denoised: Tensor
  /** Length of the step that began there. */
  readonly h: number
}

/** First and second derivative of the clean latent, per unit of the step `h`, from the two evaluations before (newest first). */
function derivatives(denoised: Tensor, [last, older]: readonly Past[], h: number): readonly Tensor[] {
  if (!last) return []
  const near = scale(sub(denoised, last.denoised), h / last.h)
  if (!older) return [near]
  const far = scale(sub(last.denoised, older.denoised), h / older.h)
  const [r0, r1] = [last.h / h, older.h / h]
  const bend = scale(sub(near, far), 1 / (r0 + r1))
  return [axpy(near, r0, bend), bend]
}

/** The noise is drawn as in `dpmpp_2m_sde`. */
export default {
  name: 'dpmpp_3m_sde',
  evaluations: onePerStep,
  async sample(denoise, latent, given, onStep, medium) {
    const { alpha, lambda } = snrOf(medium)
    const sigmas = belowCeiling(given, medium)
    let x = latent
    /** Newest first. */
    let past: readonly Past[] = []
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const [sigma, next] = [sigmas[i]!, sigmas[i + 1]!]
      const denoised = await denoise(x, sigma)
      if (next === 0) x = denoised
      else {
        const h = lambda(next) - lambda(sigma)
        const decay = Math.expm1(-2 * h)
        const second = decay / (2 * h) + 1
        const factors = [alpha(next) * second, -alpha(next) * (second / (2 * h) - 0.5)]
        x = axpy(scale(x, (next / sigma) * Math.exp(-h)), -alpha(next) * decay, denoised)
        derivatives(denoised, past, h).forEach((one, k) => (x = axpy(x, factors[k]!, one)))
        x = axpy(x, next * Math.sqrt(-decay), medium.noise())
        past = [{ denoised, h }, ...past].slice(0, 2)
      }
      onStep(i + 1, denoised)
    }
    return x
  },
} satisfies Sampler
