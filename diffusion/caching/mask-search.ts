/** The best fixed mask for an uncached run on record: exact, by dynamic programming over neighbouring computed steps. */
import { axpy, sub, zeros, type Tensor } from '../tensor.ts'
import type { Call } from './contract.ts'
import { Corrector } from './corrector.ts'
import { PredictionEstimator, type Forecast } from './estimators.ts'

/** One uncached run of one sample: its noise levels, one more than steps, and the prediction at each step. */
export interface RecordedRun {
  readonly sigmas: readonly number[]
  readonly predictions: readonly Tensor[]
}

/** Where a gap leaves the latent: the computed steps `before` (null at the start) and `from`, the next one `to` (the run's end, its length). */
export type GapError = (before: number | null, from: number, to: number) => number

/** What is done on the skipped steps of a gap, and how its error counts. */
export interface GapRule {
  /** Of order 0, or 1, which looks back two computed steps. */
  readonly forecast: Forecast
  /** Whether the skipped steps are mended once the next one is computed. */
  readonly corrected: boolean
  /** Power w of the noise level at `from` by which a gap's error is weighed, sigma^w: above 0, early errors count for more. */
  readonly weight: number
}

const callAt = (sigmas: readonly number[], index: number): Call => ({
  index,
  total: sigmas.length - 1,
  sigma: sigmas[index]!,
  timestep: 1000 * sigmas[index]!,
  sigmas,
  guidance: 1,
  progress: 1 - sigmas[index]! / sigmas[0]!,
  latent: zeros([1]),
  sample: 0,
  branches: ['cond'],
})

/** The predictions at steps in terms of those at other steps, by step: a weight for each. */
type Weights = ReadonlyMap<number, number>

/** The unit vector of anchor `i` of `count`. */
const unit = (i: number, count: number): Tensor => {
  const vector = zeros([1, count])
  vector.data[i] = 1
  return vector
}

/**
 * What a run does on the skipped steps between `from` and `to`, as weights of the computed predictions: sum_j (sigma_{j+1} - sigma_j) of
 * what stands in for v_j, after the correction if there is one. Found by playing unit vectors through what runs use themselves.
 */
function stoodIn(sigmas: readonly number[], before: number | null, from: number, to: number, rule: GapRule): Weights {
  const total = sigmas.length - 1
  const mends = rule.corrected && to < total
  const computed = [...(before === null ? [] : [before]), from, ...(mends ? [to] : [])]
  const [estimator, corrector] = [new PredictionEstimator(rule.forecast), new Corrector()]
  const at = (step: number): Tensor => unit(computed.indexOf(step), computed.length)
  for (const step of computed.slice(0, mends ? -1 : undefined)) {
    estimator.learn(callAt(sigmas, step), at(step))
    corrector.computed(callAt(sigmas, step), at(step))
  }
  let sum = zeros([1, computed.length])
  for (let j = from + 1; j < to; j++) {
    const guess = estimator.estimate(callAt(sigmas, j))
    sum = axpy(sum, sigmas[j + 1]! - sigmas[j]!, guess)
    corrector.skipped(callAt(sigmas, j), guess)
  }
  if (mends) {
    const way = sigmas[to + 1]! - sigmas[to]!
    sum = axpy(sum, way, sub(corrector.computed(callAt(sigmas, to), at(to)), at(to)))
  }
  return new Map(computed.map((step, i) => [step, sum.data[i]!]))
}

/** By step: the weights of what stood in less those of what was true. */
function missed(sigmas: readonly number[], before: number | null, from: number, to: number, rule: GapRule): Weights {
  const weights = new Map(stoodIn(sigmas, before, from, to, rule))
  for (let j = from + 1; j < to; j++) weights.set(j, sigmas[j]! - sigmas[j + 1]!)
  return weights
}

function product({ data: a }: Tensor, { data: b }: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum / a.length
}

/** Mean over runs and values of the products of the predictions of any two steps: all that errors depend on. */
function products(runs: readonly RecordedRun[]): Float64Array[] {
  const total = runs[0]!.predictions.length
  const table = Array.from({ length: total }, () => new Float64Array(total))
  for (const { predictions } of runs)
    for (let i = 0; i < total; i++)
      for (let j = 0; j <= i; j++) table[i]![j]! += product(predictions[i]!, predictions[j]!) / runs.length
  table.forEach((row, i) => row.forEach((_, j) => j > i && (row[j] = table[j]![i]!)))
  return table
}

/** Root mean square of the sum of predictions with these weights. */
function sizeOf(weights: Weights, table: readonly Float64Array[]): number {
  const entries = [...weights]
  let square = 0
  for (const [i, a] of entries) for (const [j, b] of entries) square += a * b * table[i]![j]!
  return Math.sqrt(Math.max(0, square))
}

/**
 * Errors of all gaps of recorded runs over the same noise levels: the root mean square, over runs and values, of
 * sum_j (sigma_{j+1} - sigma_j) (what stands in for v_j - v_j) over the skipped j, times sigma^w. What stands in is linear in the predictions,
 * so their products, taken once, give every gap's. Infinite where a run has a value that is no number.
 */
export function gapErrors(runs: readonly RecordedRun[], rule: GapRule): GapError {
  const { sigmas } = runs[0]!
  const table = products(runs)
  const found = new Map<string, number>()
  return (before, from, to) => {
    if (to === from + 1) return 0
    const back = rule.forecast.order === 0 && !rule.corrected ? null : before
    const key = `${back ?? ''} ${from} ${to}`
    const known = found.get(key)
    if (known !== undefined) return known
    const size = sizeOf(missed(sigmas, back, from, to, rule), table) * sigmas[from]! ** rule.weight
    const error = Number.isFinite(size) ? size : Infinity
    found.set(key, error)
    return error
  }
}

/** A mask and the sum of its gaps' errors. */
export interface FoundMask {
  readonly steps: readonly number[]
  readonly error: number
}

/** The cheapest way that ends with these two computed steps; `before` of the first step is null. */
interface Path extends FoundMask {
  readonly before: number | null
  readonly last: number
}

/** Every path of `count` steps to every path of one more, keeping the best for each last pair. */
function extend(paths: readonly Path[], total: number, error: GapError): Path[] {
  const best = new Map<string, Path>()
  for (const path of paths)
    for (let next = path.last + 1; next < total; next++) {
      const cost = path.error + error(path.before, path.last, next)
      const key = `${path.last} ${next}`
      if (cost < (best.get(key)?.error ?? Infinity))
        best.set(key, { steps: [...path.steps, next], error: cost, before: path.last, last: next })
    }
  return [...best.values()]
}

/**
 * The `count` of `total` steps, the first among them (and the last, if told), whose gaps' errors sum up to the least. Exact for errors that
 * look back no more than two computed steps: O(total^3) gaps. Throws when `count` is not between 1 (2 with the last) and `total`.
 */
export function bestMask(total: number, count: number, error: GapError, forceLast: boolean): FoundMask {
  const least = forceLast && total > 1 ? 2 : 1
  if (!Number.isInteger(count) || count < least || count > total)
    throw new Error(`bestMask: expected ${least} to ${total} computed steps, received ${count}`)
  let paths: Path[] = [{ steps: [0], error: 0, before: null, last: 0 }]
  for (let length = 1; length < count; length++) paths = extend(paths, total, error)
  const closed = paths
    .filter(({ last }) => !forceLast || last === total - 1)
    .map(({ steps, error: sum, before, last }) => ({ steps, error: sum + error(before, last, total) }))
  return closed.reduce((a, b) => (b.error < a.error ? b : a))
}
