/** The best fixed mask for an uncached run on record: exact, by dynamic programming over neighbouring computed steps. */
import type { Tensor } from '../tensor.ts'
import type { Call } from './contract.ts'
import { forecastValue, learn, type Differences, type Forecast } from './estimators.ts'

/** One uncached run of one sample: its noise levels, one more than steps, and the prediction at each step. */
export interface RecordedRun {
  readonly sigmas: readonly number[]
  readonly predictions: readonly Tensor[]
}

/** Rms over samples of where a gap leaves the latent: the computed steps `before` (null at the start) and `from`, the next one `to`. */
export type GapError = (before: number | null, from: number, to: number) => number

const callAt = ({ sigmas, predictions }: RecordedRun, index: number): Call => ({
  index,
  total: predictions.length,
  sigma: sigmas[index]!,
  timestep: 1000 * sigmas[index]!,
  sigmas,
  guidance: 1,
  progress: 1 - sigmas[index]! / sigmas[0]!,
  latent: predictions[index]!,
  sample: 0,
  branches: ['cond'],
})

/** What the steps computed so far say at `from`. */
function known(run: RecordedRun, before: number | null, from: number, forecast: Forecast): Differences | null {
  const earlier = before === null ? null : learn(null, callAt(run, before), run.predictions[before]!, forecast)
  return learn(earlier, callAt(run, from), run.predictions[from]!, forecast)
}

/**
 * By `to`: mean square of sum_j (sigma_{j+1} - sigma_j) (forecast_j - v_j) over the skipped j between `from` and `to`; the sum grows with
 * each step, so all gaps that begin alike cost one pass.
 */
function gapSquares(run: RecordedRun, before: number | null, from: number, forecast: Forecast): number[] {
  const total = run.predictions.length
  const differences = known(run, before, from, forecast)
  const squares = Array<number>(total + 1).fill(differences ? 0 : Infinity)
  if (!differences) return squares
  const drift = new Float64Array(run.predictions[from]!.data.length)
  for (let j = from + 1; j < total; j++) {
    const step = run.sigmas[j + 1]! - run.sigmas[j]!
    const guess = forecastValue(differences, callAt(run, j), forecast).data
    const truth = run.predictions[j]!.data
    for (let i = 0; i < drift.length; i++) drift[i]! += step * (guess[i]! - truth[i]!)
    squares[j + 1] = drift.reduce((sum, value) => sum + value * value, 0) / drift.length
  }
  return squares
}

/** Errors of all gaps of recorded runs, for a forecast of order 0 or 1 (which looks back two computed steps). */
export function gapErrors(runs: readonly RecordedRun[], forecast: Forecast): GapError {
  const found = new Map<string, readonly number[]>()
  return (before, from, to) => {
    if (to === from + 1) return 0
    const back = forecast.order === 0 ? null : before
    const key = `${back ?? ''} ${from}`
    const squares = found.get(key) ?? meanOf(runs.map((run) => gapSquares(run, back, from, forecast)))
    found.set(key, squares)
    return Math.sqrt(squares[to]!)
  }
}

const meanOf = (lists: readonly (readonly number[])[]): number[] =>
  lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length)

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
