/** Decides when to compute from the error of the last forecast alone: no probe, no calibration. */
import type { Call } from './contract.ts'
import { stepOf } from './corrector.ts'

/** Steps of the runs that thresholds are given for. */
const STEPS = 30

/**
 * For one sample. At a computed step k, h below the computed one before, e is the root mean square of what the forecast from the steps
 * before k would have missed. A forecast that goes as far as h errs by e, and by less in proportion nearer to k, so the steps from k on may
 * be skipped while the sum over them of e (sigma_k - sigma_i) / h (sigma_i - sigma_{i+1}), what they may leave in the latent, is at most
 * threshold sqrt(sigma_k). Steps of half the length err half as much over half the way: the threshold is for 30 steps and goes with (30 / N)^2.
 */
export class ErrorBudget {
  readonly #threshold: number
  #last: number | null = null
  /** e / h of the newest computed step; null while there are fewer than two. */
  #rate: number | null = null
  #spent = 0

  constructor(threshold: number) {
    this.#threshold = threshold
  }

  /** What the steps skipped since the last computed one may have left in the latent. */
  get spent(): number {
    return this.#spent
  }

  /** Whether the step at `call` may be skipped; takes it as skipped. False for an error that is no number. */
  allows(call: Call): boolean {
    if (this.#last === null || this.#rate === null) return false
    this.#spent += this.#rate * Math.abs((this.#last - call.sigma) * stepOf(call))
    const steps = call.sigmas.length - 1
    return this.#spent <= this.#threshold * (STEPS / steps) ** 2 * Math.sqrt(this.#last)
  }

  /** The step at `call` was computed; `error` is what the forecast missed there, null if there was none. */
  computed(call: Call, error: number | null): void {
    const way = this.#last === null ? 0 : Math.abs(this.#last - call.sigma)
    // Samplers that evaluate twice at one level: the older rate stays.
    if (error !== null && way > 0) this.#rate = error / way
    this.#last = call.sigma
    this.#spent = 0
  }
}
