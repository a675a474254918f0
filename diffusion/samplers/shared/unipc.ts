/** UniPC: a multistep predictor whose next evaluation also corrects the step before it (Zhao et al. 2023, algorithms 5 to 8, data prediction). */
import type { Medium, Sampler } from '../../sampling-types.ts'
import { axpy, lerp, sub, type Tensor } from '../../tensor.ts'
import { onePerStep } from './evaluations.ts'
import type { Snr } from './snr.ts'

/** One evaluation: where it was made, and the clean latent it gave. */
interface Evaluation {
  readonly sigma: number
  readonly denoised: Tensor
}

export interface UniPcOptions {
  readonly name: string
  readonly skipsPenultimate?: boolean
  /** Highest order, 1 to 3. */
  readonly order: 1 | 2 | 3
  /** B(h) of section 3.3: h, or e^h - 1. */
  readonly variant: 'bh1' | 'bh2'
  readonly snr: (medium: Medium) => Snr
}

/** The step of one evaluation, x stretched towards the clean latent: the same as Euler's. */
const straight = (x: Tensor, { sigma, denoised }: Evaluation, to: number): Tensor => lerp(denoised, x, to / sigma)

/** What a step from the newest of `past` (newest first) to `to` is made of. */
function stepTo(past: readonly Evaluation[], to: number, { lambda, alpha }: Snr, variant: UniPcOptions['variant']) {
  const last = past[0]!
  const h = lambda(to) - lambda(last.sigma)
  const growth = Math.expm1(-h)
  const base = variant === 'bh2' ? growth : -h
  const first = growth / -h - 1
  const second = first / -h - 0.5
  const third = second / -h - 1 / 6
  const older = past.slice(1)
  return {
    scale: alpha(to) * base,
    targets: [first / base, (2 * second) / base, (6 * third) / base] as const,
    ratios: older.map(({ sigma }) => (lambda(sigma) - lambda(last.sigma)) / h),
    changes: older.map(({ denoised }) => sub(denoised, last.denoised)),
  }
}

type Step = ReturnType<typeof stepTo>

/** Weights of the older evaluations in the predictor (equation 7, the newest left out). */
function predictorWeights({ targets: [b1, b2], ratios: [r1, r2] }: Step): readonly number[] {
  if (r1 === undefined) return []
  if (r2 === undefined) return [0.5]
  const oldest = (b2 - r1 * b1) / (r2 - r1)
  return [b1 - oldest, oldest]
}

/** Weights of the older evaluations and, last, of the one that the step has reached (equation 7). */
function correctorWeights({ targets: [b1, b2, b3], ratios: [r1, r2] }: Step): readonly number[] {
  if (r1 === undefined) return [0.5]
  if (r2 === undefined) {
    const past = (b2 - b1) / (r1 - 1)
    return [past, b1 - past]
  }
  const [c2, c3] = [b2 - b1, b3 - b1]
  const oldest = (c3 - (r1 + 1) * c2) / ((r2 - 1) * (r2 - r1))
  const past = (c2 - (r2 - 1) * oldest) / (r1 - 1)
  return [past, oldest, b1 - past - oldest]
}

/** From `x` at the newest of `past` to `to`. */
function predict(
  x: Tensor,
  past: readonly Evaluation[],
  to: number,
  snr: Snr,
  variant: UniPcOptions['variant'],
): Tensor {
  const ahead = straight(x, past[0]!, to)
  if (past.length === 1) return ahead
  const step = stepTo(past, to, snr, variant)
  return predictorWeights(step).reduce(
    (state, weight, i) => axpy(state, -step.scale * (weight / step.ratios[i]!), step.changes[i]!),
    ahead,
  )
}

/** The same step again, now that the evaluation at its end, `reached`, is known. */
function correct(
  x: Tensor,
  past: readonly Evaluation[],
  reached: Evaluation,
  snr: Snr,
  variant: UniPcOptions['variant'],
): Tensor {
  const step = stepTo(past, reached.sigma, snr, variant)
  const weights = correctorWeights(step)
  const ahead = straight(x, past[0]!, reached.sigma)
  const corrected = step.changes.reduce(
    (state, change, i) => axpy(state, (-step.scale * weights[i]!) / step.ratios[i]!, change),
    ahead,
  )
  return axpy(corrected, -step.scale * weights.at(-1)!, sub(reached.denoised, past[0]!.denoised))
}

/**
 * One evaluation a step, made at the predicted state. The first steps are of lower order for want of a past; where the run ends at 0,
 * so are the last ones.
 */
export const unipc = ({ name, order, variant, snr: read, skipsPenultimate }: UniPcOptions): Sampler => ({
  name,
  ...(skipsPenultimate ? { skipsPenultimate } : {}),
  evaluations: onePerStep,
  async sample(denoise, latent, sigmas, onStep, medium) {
    const snr = read(medium)
    const toZero = sigmas.at(-1) === 0
    let [x, start]: [Tensor, Tensor] = [latent, latent]
    /** Newest first. */
    let past: readonly Evaluation[] = []
    /** Those that the step just made has used. */
    let used: readonly Evaluation[] = []
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const reached: Evaluation = { sigma: sigmas[i]!, denoised: await denoise(x, sigmas[i]!) }
      start = used.length > 0 ? correct(start, used, reached, snr, variant) : x
      past = [reached, ...past].slice(0, order)
      used = toZero ? past.slice(0, sigmas.length - 1 - i) : past
      x = predict(start, used, sigmas[i + 1]!, snr, variant)
      onStep(i + 1, reached.denoised)
    }
    return x
  },
})
