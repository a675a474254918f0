/** How far the running node is, and how long it will still take by the pace of its steps. */

export interface Progress {
  readonly node: string
  readonly title: string
  /** Steps done, and of how many; 0 of 0 before the node tells. */
  readonly value: number
  readonly max: number
  /**
   * The first step that ended and when, in ms: what came before it, such as opening the model, is no measure of the steps to come. Null
   * before it.
   */
  readonly first: { readonly value: number; readonly at: number } | null
  /** When `value` was reached, in ms. */
  readonly at: number
}

export const entered = (node: string, title: string, now: number): Progress => ({
  node,
  title,
  value: 0,
  max: 0,
  first: null,
  at: now,
})

/** The node tells that `value` steps of `max` are done. Falling values and another `max` are a new count with a pace of its own. */
export function advanced(before: Progress, value: number, max: number, now: number): Progress {
  const goes = before.max === max && value >= before.value ? before.first : null
  const at = goes && value === before.value ? before.at : now
  return { ...before, value, max, at, first: goes ?? (value > 0 ? { value, at: now } : null) }
}

/** Seconds that the remaining steps take at the pace since the first one ended, 0 at least; null before there is a pace, and at the end. */
export function secondsLeft({ value, max, first, at }: Progress, now: number): number | null {
  if (!first || value <= first.value || max <= value) return null
  const pace = (at - first.at) / (value - first.value)
  return Math.max(0, pace * (max - value) - (now - at)) / 1000
}
