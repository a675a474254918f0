/** ProCache's patterns: which evaluations are full, which reuse, which refresh some tokens; searched under constraints, or as released. */

/** What one evaluation does. */
export type Mode = 'full' | 'reuse' | 'selective'

/** The constraints of a pattern. A segment is a full evaluation and the reuses after it. */
export interface Constraints {
  /** Segments, so full evaluations. */
  readonly budget: number
  /** Fewest and most reuses in a row. */
  readonly fewest: number
  readonly most: number
}

/** Released patterns as segment lengths (main files of the authors' repository, 50 evaluations each). */
export const RELEASED = {
  dit: [4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2],
  flux: [6, 6, 6, 6, 6, 5, 5, 5, 5],
} as const

/** Segment lengths of a text like '4x6 3x4 2x7': six of 4, four of 3, seven of 2; null when it does not read so. */
export function parseSegments(text: string): readonly number[] | null {
  const words = text.trim().split(/[\s,]+/)
  const lengths: number[] = []
  for (const word of words) {
    const [, length, count] = /^([1-9]\d{0,2})(?:x([1-9]\d{0,2}))?$/.exec(word) ?? []
    if (length === undefined) return null
    for (let i = 0; i < Number(count ?? 1); i++) lengths.push(Number(length))
  }
  return lengths
}

/**
 * Every pattern that the constraints leave: `budget` segments that fill `total` evaluations, none longer than the one before it. The
 * authors draw such patterns at random until they have a few; there are so few (9 to 25 in their settings) that all are listed.
 */
export function candidates(total: number, { budget, fewest, most }: Constraints): readonly (readonly number[])[] {
  const found: number[][] = []
  const extend = (lengths: readonly number[], left: number, longest: number): void => {
    const open = budget - lengths.length
    if (open === 0) {
      if (left === 0) found.push([...lengths])
      return
    }
    for (let length = Math.min(longest, left); length > fewest; length--) {
      // The rest has to fit into segments from the shortest to this one.
      if (left > open * length) break
      if (left - length >= (open - 1) * (fewest + 1)) extend([...lengths, length], left - length, length)
    }
  }
  extend([], total, most + 1)
  return found
}

/** Squared distance of a pattern's reuses from a straight line between the most and the fewest. */
function unevenness(lengths: readonly number[], { fewest, most }: Constraints): number {
  const step = lengths.length > 1 ? (most - fewest) / (lengths.length - 1) : 0
  return lengths.reduce((sum, length, i) => sum + (length - 1 - (most - i * step)) ** 2, 0)
}

/**
 * The candidate nearest to a straight line from the most to the fewest reuses: a stand-in for the authors' choice, which renders a
 * thousand pictures with each. A budget that no pattern meets gives way to the nearest that one does; where none does at all, in very
 * short runs, fewer reuses in a row are allowed.
 */
export function searched(total: number, constraints: Constraints): readonly number[] {
  const least = Math.ceil(total / (constraints.most + 1))
  const greatest = Math.floor(total / (constraints.fewest + 1))
  if (least > greatest) return searched(total, { ...constraints, fewest: 0 })
  const budget = Math.min(Math.max(constraints.budget, least), greatest)
  const met = { ...constraints, budget }
  const [first, ...others] = candidates(total, met)
  const better = (a: readonly number[], b: readonly number[]) => (unevenness(b, met) < unevenness(a, met) ? b : a)
  return others.reduce(better, first!)
}

/** Which of `total` evaluations begin a segment; segments that were made for another length of run are stretched to this one. */
export function fullSteps(lengths: readonly number[], total: number): ReadonlySet<number> {
  const length = lengths.reduce((sum, one) => sum + one, 0)
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, one) => sum + one, 0))
  return new Set(starts.map((start) => Math.round((start * total) / length)).filter((start) => start < total))
}

/** What every evaluation does: the second, fourth, ... reuse after a full one refreshes tokens. */
export function modesOf(full: ReadonlySet<number>, total: number): readonly Mode[] {
  let since = 0
  return Array.from({ length: total }, (_, i) => {
    if (full.has(i)) {
      since = 0
      return 'full'
    }
    since++
    return since % 2 === 0 ? 'selective' : 'reuse'
  })
}

/** The same for the length that was last asked for: a search takes as long as a small evaluation's JavaScript. */
function remembered(modes: (total: number) => readonly Mode[]): (total: number) => readonly Mode[] {
  let [known, length]: [readonly Mode[], number] = [[], 0]
  return (total) => {
    if (total !== length) [known, length] = [modes(total), total]
    return known
  }
}

export const byPattern = (lengths: readonly number[]) =>
  remembered((total) => modesOf(fullSteps(lengths, total), total))

export const bySearch = (constraints: (total: number) => Constraints) =>
  remembered((total) => modesOf(fullSteps(searched(total, constraints(total)), total), total))
