/** What a caching method uses on a skip: the last computed residual or prediction, or its Taylor forecast (TaylorSeer, arXiv 2503.06923). */
import { add, axpy, copy, meanAbs, scale, sub, type Tensor } from '../tensor.ts'
import type { Call, Denoiser, Hidden } from './contract.ts'
import { sizedDifference, type Sized } from './passes.ts'

/** How a value is carried on from the computed evaluations to a skipped one. */
export interface Forecast {
  /**
   * Order of the Taylor sum: 0 reuses the last computed value, 1 draws a line through the last two, 2 bends it. Each order keeps one
   * more tensor of the value's size. 0 or a whole number above; published settings go up to 2.
   */
  readonly order: number
  /** What the value is a function of: the index of the evaluation (as published) or its sigma. */
  readonly axis: 'calls' | 'sigma'
  /**
   * Furthest that the sum goes on past the newest computed evaluation, in lengths of the gap before it. Infinity as published; a
   * line stopped at 0.5 came 2 to 3 dB nearer to the uncached pictures of a 12-block model at 30 steps.
   */
  readonly reach: number
  /** Index of the first evaluation at which a slope is taken: 0 takes it as soon as there are two, cache-dit's code waits until 2. */
  readonly slopesFrom: number
}

/** The last computed value, used unchanged. */
export const REUSE: Forecast = { order: 0, axis: 'calls', reach: Infinity, slopesFrom: 0 }

/** The published forecast of an order along the evaluations. */
export const taylor = (order: number): Forecast => ({ ...REUSE, order })

/** What the computed evaluations so far say of one value. */
export interface Differences {
  /** Where the newest computed evaluation lies on the axis. */
  readonly at: number
  /** Way on the axis from the computed evaluation before to the newest; 0 while there is only one. */
  readonly gap: number
  /** The newest value, its slope, the slope of the slopes, ...: at most `order + 1`, all of the value's shape. */
  readonly terms: readonly [Tensor, ...Tensor[]]
}

const positionOf = (call: Call, { axis }: Forecast): number => (axis === 'calls' ? call.index : call.sigma)

/**
 * Takes in a value computed at `call`: d0 = value, d(i+1) = (d(i) - d(i) before) / gap, as many as the order asks for and the
 * history gives. Keeps `value` itself, which must not be written to later. Null when the value is not finite, which its mean magnitude
 * `size` tells: nothing can be built on it.
 */
export function learn(
  before: Differences | null,
  call: Call,
  value: Tensor,
  forecast: Forecast,
  size: number = meanAbs(value),
): Differences | null {
  if (!Number.isFinite(size)) return null
  const at = positionOf(call, forecast)
  const terms: [Tensor, ...Tensor[]] = [value]
  if (!before || call.index < forecast.slopesFrom) return { at, gap: 0, terms }
  const gap = at - before.at
  // Two evaluations at one sigma, as second-order samplers make: the newer value counts, the slopes stay.
  if (gap === 0) return { at, gap: before.gap, terms: [value, ...before.terms.slice(1)] }
  for (let i = 0; i < forecast.order && i < before.terms.length; i++) {
    const rise = sub(terms[i]!, before.terms[i]!)
    terms.push(scale(rise, 1 / gap, rise.data))
  }
  return { at, gap, terms }
}

/**
 * Sum over i of d(i) e^i / i!, e being the way from the newest computed evaluation to `call`; added to `base` where there is one. Where
 * neither adds anything it is the newest value itself.
 */
export function forecastValue(
  known: Differences,
  call: Call,
  forecast: Forecast,
  base?: Tensor,
  into?: Float32Array,
): Tensor {
  const way = positionOf(call, forecast) - known.at
  const furthest = forecast.reach * Math.abs(known.gap)
  const e = Math.abs(way) > furthest ? Math.sign(way) * furthest : way
  const [value, ...slopes] = known.terms
  let factor = 1
  const start = base ? add(base, value, into) : value
  return slopes.reduce((sum, term, i) => axpy(sum, (factor *= e / (i + 1)), term, into), start)
}

/** Which token streams an estimate has to give: the head needs the image's, further blocks need the text's too. */
export type Streams = 'image' | 'image and text'

/** One token stream of a range: what the range adds to it. Memory is used again, so an estimate holds until the next one. */
class StreamResidual {
  #known: Differences | null = null
  #size = NaN
  /** Of a value that is no longer needed. */
  #spare: Float32Array | undefined
  #estimate: Float32Array | undefined

  get ready(): boolean {
    return this.#known !== null
  }

  get newest(): Sized | null {
    return this.#known && { tokens: this.#known.terms[0], size: this.#size }
  }

  forget(): void {
    this.#known = null
  }

  learn(call: Call, input: Tensor, output: Tensor, forecast: Forecast): void {
    const { tokens: value, size } = sizedDifference(output, input, this.#spare)
    const before = this.#known
    const now = learn(before, call, value, forecast, size)
    this.#known = now
    this.#size = size
    this.#spare = (now ? before?.terms.find((term) => !now.terms.includes(term)) : value)?.data
  }

  /** Throws when not `ready`. */
  estimate(call: Call, input: Tensor, forecast: Forecast, over: boolean): Tensor {
    if (!this.#known) throw new Error('ResidualEstimator: expected a computed evaluation before the first estimate')
    const estimate = forecastValue(this.#known, call, forecast, input, over ? input.data : this.#estimate)
    if (!over) this.#estimate = estimate.data
    return estimate
  }
}

/** Whether tokens that blocks gave are nobody else's: what stands at the cuts of a U-Net is a skip tensor too. */
export const mayWriteOver = ({ facts: { skips = 0 } }: Pick<Denoiser, 'facts'>): boolean => skips === 0

/** What a range of blocks adds to the tokens of one branch: learnt where the range ran, estimated where it does not. */
export class ResidualEstimator {
  readonly #forecast: Forecast
  readonly #streams: Streams
  readonly #image = new StreamResidual()
  readonly #text = new StreamResidual()

  constructor(forecast: Forecast, streams: Streams) {
    this.#forecast = forecast
    this.#streams = streams
  }

  /** Whether there is anything to estimate from. */
  get ready(): boolean {
    return this.#image.ready
  }

  /** What was learnt last of the image tokens; null when not `ready`. The range learnt after the next one writes over it. */
  get newest(): Sized | null {
    return this.#image.newest
  }

  /** Takes in a range that ran at `call`, from its input to its output. Values that are not finite leave the estimator not ready. */
  learn(call: Call, input: Hidden, output: Hidden): void {
    this.#image.learn(call, input.image, output.image, this.#forecast)
    if (this.#streams === 'image' || !input.text || !output.text) return
    this.#text.learn(call, input.text, output.text, this.#forecast)
    if (!this.#text.ready) this.#image.forget()
  }

  /**
   * The range's output for `input`, without running it; its tokens hold until the next estimate. With `over` the image tokens are written
   * over those of `input`, which blocks or embed must have given and nobody may read again: there they lie beside those of the other
   * branches, and the next run joins them without a copy. Throws when not `ready`.
   */
  estimate(call: Call, input: Hidden, over = false): Hidden {
    const image = this.#image.estimate(call, input.image, this.#forecast, over)
    const text =
      input.text && this.#text.ready ? this.#text.estimate(call, input.text, this.#forecast, false) : input.text
    return { ...input, image, text }
  }
}

/** The prediction of one branch: learnt where the model ran, estimated where it does not. Needs no part of the model, so that it suits any. */
export class PredictionEstimator {
  readonly #forecast: Forecast
  #known: Differences | null = null

  constructor(forecast: Forecast) {
    this.#forecast = forecast
  }

  /** Whether there is anything to estimate from. */
  get ready(): boolean {
    return this.#known !== null
  }

  /** Takes in what the model predicted at `call`; gives the copy that it keeps, as the runtime may write its buffers again. */
  learn(call: Call, prediction: Tensor): Tensor {
    const kept = copy(prediction)
    this.#known = learn(this.#known, call, kept, this.#forecast)
    return kept
  }

  /** The prediction at `call`, without the model; not to be written to. Throws when not `ready`. */
  estimate(call: Call): Tensor {
    if (!this.#known) throw new Error('PredictionEstimator: expected a computed evaluation before the first estimate')
    return forecastValue(this.#known, call, this.#forecast)
  }
}
