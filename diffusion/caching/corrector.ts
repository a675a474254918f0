/** Mends skipped steps in hindsight: once the next prediction is known, the latent gets what an interpolation says that the forecasts missed. */
import { axpy, scale, type Tensor } from '../tensor.ts'
import type { Call } from './contract.ts'

/** A computed prediction and its noise level. */
interface Anchor {
  readonly sigma: number
  readonly value: Tensor
}

/** The way of the step that begins at `call`: the next level of the run less its own, below 0 unless levels rise; 0 at the last level. */
export function stepOf({ sigma, sigmas }: Call): number {
  const rises = sigmas.at(-1)! > sigmas[0]!
  const next = sigmas.find((level) => (rises ? level > sigma : level < sigma))
  return next === undefined ? 0 : next - sigma
}

/** Lagrange's weights at `sigma` of the polynomial through the anchors. */
const weightsAt = (anchors: readonly Anchor[], sigma: number): number[] =>
  anchors.map((own) =>
    anchors.reduce(
      (product, other) => (other === own ? product : (product * (sigma - other.sigma)) / (own.sigma - other.sigma)),
      1,
    ),
  )

/**
 * For one branch of a run whose steps are x + (sigma' - sigma) v, as Euler's are, v being the prediction. At a computed step k let v* be the
 * parabola in sigma through the two computed predictions before k and v_k, a line where there is only one before. The skipped steps j since
 * have taken the latent to x + sum_j (sigma_{j+1} - sigma_j) vhat_j; the correction is sum_j (sigma_{j+1} - sigma_j) (v*_j - vhat_j). v_k
 * itself is not evaluated again. The correction is folded into the prediction given back, v_k + correction / (sigma_{k+1} - sigma_k), so that
 * the sampler's own step makes it. It is linear: corrected branches give a corrected guided prediction.
 */
export class Corrector {
  /** The newest two computed predictions, the older first. */
  #anchors: readonly Anchor[] = []
  /** Noise levels and ways of the steps skipped since. */
  #skipped: { readonly sigma: number; readonly step: number }[] = []
  /** Where the skipped steps have taken the latent: sum of way times forecast. */
  #gone: Tensor | null = null

  /** A step was taken with `forecast`. */
  skipped(call: Call, forecast: Tensor): void {
    const step = stepOf(call)
    this.#skipped.push({ sigma: call.sigma, step })
    this.#gone = this.#gone ? axpy(this.#gone, step, forecast, this.#gone.data) : scale(forecast, step)
  }

  /** A step was computed: `value`, kept and not to be written to. Gives the prediction to step with: `value` itself if nothing was skipped. */
  computed(call: Call, value: Tensor): Tensor {
    const anchors = [...this.#anchors, { sigma: call.sigma, value }]
    const corrected = this.#gone && this.#anchors.length > 0 ? this.#correct(call, anchors, this.#gone) : value
    this.#anchors = anchors.slice(-2)
    this.#skipped = []
    this.#gone = null
    return corrected
  }

  /** Nothing that was seen so far counts any more. */
  forget(): void {
    this.#anchors = []
    this.#skipped = []
    this.#gone = null
  }

  #correct(call: Call, anchors: readonly Anchor[], gone: Tensor): Tensor {
    const sums = anchors.map(() => 0)
    for (const { sigma, step } of this.#skipped)
      weightsAt(anchors, sigma).forEach((weight, i) => (sums[i]! += step * weight))
    const way = stepOf(call)
    const value = anchors.at(-1)!.value
    const start = axpy(value, -1 / way, gone)
    return anchors.reduce((sum, anchor, i) => axpy(sum, sums[i]! / way, anchor.value, sum.data), start)
  }
}
