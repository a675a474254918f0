/** The few statistics the benches need: means, quantiles, bootstrap intervals. */

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Arithmetic mean; NaN of nothing. */
export const mean = (values: readonly number[]): number => sum(values) / values.length

/** The `share` quantile (0..1) with linear interpolation between neighbours; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low === undefined || high === undefined ? NaN : low + (at - Math.floor(at)) * (high - low)
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32): a published interval can be computed again. */
function uniform(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

const RESAMPLES = 2000

/** Mean with its 95 % percentile bootstrap interval (Efron 1979): 2000 resamples with replacement. NaN of nothing. */
export function bootstrap(values: readonly number[]): Interval {
  const random = uniform(1)
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(values.map(() => values[Math.floor(random() * values.length)]!)),
  )
  return { mean: mean(values), low: quantile(means, 0.025), high: quantile(means, 0.975) }
}
