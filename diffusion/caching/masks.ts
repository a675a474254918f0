/** Fixed schedules: which evaluations of a run are computed, decided before it begins. Evaluations count from 0. */

/** What a list of steps says, and what is wrong with it. */
export interface StepList {
  /** Rising, each once. */
  readonly steps: readonly number[]
  /** One sentence per part that is no step. */
  readonly faults: readonly string[]
}

const rising = (steps: Iterable<number>): number[] => [...new Set(steps)].sort((a, b) => a - b)

/** Reads '0, 1, 2, 5-8, 12': whole numbers and ranges, ends included, in any order, with commas or spaces between. */
export function parseSteps(text: string): StepList {
  const steps: number[] = []
  const faults: string[] = []
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part)
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])]
    if (!match) faults.push(`'${part}' is no step: expected whole numbers from 0 and ranges, as in 0,1,2,5-8`)
    else if (to < from) faults.push(`the range ${part} ends before it begins`)
    else for (let step = from; step <= to; step++) steps.push(step)
  }
  return { steps: rising(steps), faults }
}

/** The shortest text that `parseSteps` reads as these steps, without ranges. */
export const formatSteps = (steps: Iterable<number>): string => rising(steps).join(',')

/** Every `interval`-th of `total` evaluations, from the first. */
export const everyNth = (total: number, interval: number): number[] =>
  Array.from({ length: Math.ceil(total / interval) }, (_, i) => i * interval)

/** `count` of `total` evaluations, as evenly as they go, the first and the last among them. */
export const evenly = (total: number, count: number): number[] =>
  rising(Array.from({ length: count }, (_, i) => Math.round(count === 1 ? 0 : (i * (total - 1)) / (count - 1))))

/** Runs of computed and skipped evaluations in turn, as cache-dit's step masks are written. */
interface Runs {
  readonly computed: readonly number[]
  readonly skipped: readonly number[]
}

/** cache-dit's predefined step masks, made for 28 steps. */
export const STEP_COMPUTATION_MASKS = {
  slow: { computed: [8, 3, 3, 2, 1, 1], skipped: [1, 2, 2, 2, 3] },
  medium: { computed: [6, 2, 2, 2, 2, 1], skipped: [1, 3, 3, 3, 3] },
  fast: { computed: [6, 1, 1, 1, 1, 1], skipped: [1, 3, 4, 5, 4] },
  ultra: { computed: [4, 1, 1, 1, 1], skipped: [2, 5, 6, 7] },
} as const satisfies Readonly<Record<string, Runs>>

/**
 * The computed evaluations of a mask of runs. A run of another length than the mask was made for stretches every boundary in
 * proportion (our rule; cache-dit leaves it to the user), so that the share computed stays about the same.
 */
export function fromRuns({ computed, skipped }: Runs, total: number): number[] {
  const lengths = computed.flatMap((count, i) => [count, skipped[i] ?? 0])
  const whole = lengths.reduce((sum, length) => sum + length, 0)
  const steps: number[] = []
  let end = 0
  lengths.forEach((length, i) => {
    const [from, to] = [end, end + length].map((boundary) => Math.round((boundary * total) / whole)) as [number, number]
    end += length
    if (i % 2 === 0) for (let step = from; step < to; step++) steps.push(step)
  })
  return rising([0, ...steps, total - 1])
}
