/** UniPC: a second-order predictor whose next evaluation also corrects the step before it (Zhao et al. 2023, B2 variant). */
import type { Sampler } from '../sampling-types.ts'
import { axpy, lerp, sub, type Tensor } from '../tensor.ts'

/** One evaluation: where it was made, and the clean latent it gave. */
interface Evaluation {
  readonly sigma: number
  readonly denoised: Tensor
}

/** Half the logarithm of a flow model's signal-to-noise ratio; finite at pure noise, where diffusers steps back by as much. */
const lambda = (sigma: number): number => {
  const inside = Math.min(sigma, 1 - 1e-6)
  return Math.log((1 - inside) / inside)
}

/** Quantities of one step from `from` to `to` in lambda. */
function stepBetween(from: number, to: number) {
  const h = lambda(to) - lambda(from)
  const growth = Math.expm1(-h)
  const first = growth / -h - 1
  const second = first / -h - 0.5
  return { h, scale: (1 - to) * growth, first: first / growth, second: (2 * second) / growth }
}

/** The step with one evaluation, x stretched towards the clean latent: the same as Euler's. */
const straight = (x: Tensor, { sigma, denoised }: Evaluation, to: number): Tensor => lerp(denoised, x, to / sigma)

/** The slope of the clean latent before `last`, per unit of the step h. */
function slopeBefore(last: Evaluation, before: Evaluation, h: number) {
  const ratio = (lambda(before.sigma) - lambda(last.sigma)) / h
  return { ratio, change: sub(before.denoised, last.denoised) }
}

/** From `x` at `last.sigma` to `to`, with `before` if there is one. */
function predict(x: Tensor, last: Evaluation, before: Evaluation | null, to: number): Tensor {
  const ahead = straight(x, last, to)
  if (!before || to === 0) return ahead
  const { h, scale } = stepBetween(last.sigma, to)
  const { ratio, change } = slopeBefore(last, before, h)
  return axpy(ahead, -scale * (0.5 / ratio), change)
}

/** The same step again, now that the evaluation at its end, `reached`, is known. */
function correct(x: Tensor, last: Evaluation, before: Evaluation | null, reached: Evaluation): Tensor {
  const ahead = straight(x, last, reached.sigma)
  const { h, scale, first, second } = stepBetween(last.sigma, reached.sigma)
  const found = sub(reached.denoised, last.denoised)
  if (!before) return axpy(ahead, -scale * 0.5, found)
  const { ratio, change } = slopeBefore(last, before, h)
  const past = (second - first) / (ratio - 1)
  return axpy(axpy(ahead, (-scale * past) / ratio, change), -scale * (first - past), found)
}

/**
 * As diffusers' UniPCMultistepScheduler with solver_order 2, over the noise ratio of flow models. (ComfyUI's sampler of this
 * name goes up to third order and takes every model for a variance-preserving one.)
 */
const uniPc: Sampler = {
  name: 'uni_pc_bh2',
  evaluations: (sigmas) => Math.max(0, sigmas.length - 1),
  async sample(denoise, latent, sigmas, onStep) {
    let [x, start]: [Tensor, Tensor] = [latent, latent]
    let [last, before]: [Evaluation | null, Evaluation | null] = [null, null]
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const reached: Evaluation = { sigma: sigmas[i]!, denoised: await denoise(x, sigmas[i]!) }
      start = last ? correct(start, last, before, reached) : x
      before = last
      last = reached
      x = predict(start, last, before, sigmas[i + 1]!)
      onStep(i + 1, reached.denoised)
    }
    return x
  },
}

export default uniPc
