/** Bisection for the value of a knob at which a target is just met. */

/** What one run at one value came to. */
export interface Trial {
  readonly value: number
  /** In the target's unit; more is better. */
  readonly score: number
}

export interface Search {
  /** Value at which least is skipped, and at which most is; either may be the larger. */
  readonly slow: number
  readonly fast: number
  readonly first: number
  readonly target: number
  /** Which way the score grows: with speed (a speed-up) or against it (a likeness). */
  readonly grows: 'with speed' | 'against speed'
  /** A met target this little above it ends the search. */
  readonly tolerance: number
  /** At least 1. */
  readonly maxRuns: number
  /** Brings a value into the form in which it is tried. */
  readonly round: (value: number) => number
  /** Where to look next between two values, if the caller knows better than halving. */
  readonly guess?: (slow: number, fast: number, last: Trial) => Promise<number | null>
  /** Whether the caller expects the same run at two values: then only one of them is tried. */
  readonly alike?: (a: number, b: number) => Promise<boolean>
}

export interface Found<T extends Trial> {
  /** Of those that meet the target, the one nearest to it; if none does, the one that comes nearest. */
  readonly best: T
  readonly met: boolean
  /** In the order tried. */
  readonly trials: readonly T[]
}

/** A bracket narrower than this share of its values is closed: decisions fall in steps, and nothing may lie between. */
const NARROW = 0.02

/** Halfway: by ratio where both ends are above 0, for thresholds work by ratio. */
const between = (a: number, b: number): number => (a > 0 && b > 0 ? Math.sqrt(a * b) : (a + b) / 2)

function nearest<T extends Trial>(trials: readonly T[], target: number): Found<T> {
  const meeting = trials.filter(({ score }) => score >= target)
  const pool = meeting.length > 0 ? meeting : trials
  const best = pool.reduce((a, b) => (Math.abs(b.score - target) < Math.abs(a.score - target) ? b : a))
  return { best, met: meeting.length > 0, trials }
}

/** Two scores may both be infinite: then the later one, which is faster, is no worse. */
const isClose = ({ score }: Trial, { target, tolerance }: Search): boolean =>
  score >= target && score - target <= tolerance

/**
 * Tries `first`, then the end of the range on the side where the target must lie, then halves (or follows `guess`). Ends when
 * the target is met closely, when nothing is left between the values tried, or after `maxRuns` trials.
 */
export async function search<T extends Trial>(s: Search, measure: (value: number) => Promise<T>): Promise<Found<T>> {
  const ends = { slow: s.round(s.slow), fast: s.round(s.fast) }
  let { slow, fast } = ends
  const tried = new Map<number, T>()
  let candidate: number | null = s.round(s.first)
  while (candidate !== null && tried.size < s.maxRuns) {
    const trial: T = await measure(candidate)
    tried.set(candidate, trial)
    if (isClose(trial, s)) break
    const faster = trial.score >= s.target !== (s.grows === 'with speed')
    if (faster) slow = candidate
    else fast = candidate
    candidate = await next(s, { slow, fast, end: faster ? ends.fast : ends.slow }, trial, tried)
  }
  return nearest([...tried.values()], s.target)
}

interface Bracket {
  readonly slow: number
  readonly fast: number
  /** The end of the whole range on the side that the search turns to. */
  readonly end: number
}

/** The next value to try, or null when nothing untried is left that could come out differently. */
async function next(s: Search, bracket: Bracket, last: Trial, tried: ReadonlyMap<number, Trial>) {
  let { slow, fast } = bracket
  const { end } = bracket
  const alike = async (a: number, b: number): Promise<boolean> => (await s.alike?.(a, b)) ?? false
  const isNarrow = (): boolean => Math.abs(fast - slow) <= NARROW * Math.max(Math.abs(slow), Math.abs(fast))
  const inside = (value: number): boolean => (value - slow) * (value - fast) < 0 && !tried.has(value)
  if (isNarrow()) return null
  const guessed = (await s.guess?.(slow, fast, last)) ?? null
  if (guessed !== null && inside(s.round(guessed))) return s.round(guessed)
  // Before halving towards an end for ever, see whether the target is in the range at all.
  if ((end === slow || end === fast) && !tried.has(end)) return (await alike(end, last.value)) ? null : end
  while (!isNarrow()) {
    const middle = s.round(between(slow, fast))
    if (!inside(middle)) return null
    if (await alike(middle, slow)) slow = middle
    else if (await alike(middle, fast)) fast = middle
    else return middle
  }
  return null
}
