/** What the cache bench compares: DiCache at several settings, and the honest rival, fewer steps. */
import type { CacheConfiguration } from '../diffusion/caching/contract.ts'
import { dicacheConfiguration } from '../nodes/caching/dicache.ts'

/** One row of the table. */
export interface Setting {
  readonly name: string
  readonly steps: number
  readonly cache: CacheConfiguration | null
}

/** Thresholds with the published warm-up of 20 % of the steps, and without any. */
const THRESHOLDS: readonly { readonly warmup: number; readonly thresholds: readonly number[] }[] = [
  { warmup: 0.2, thresholds: [0.05, 0.1, 0.2, 0.3, 0.4] },
  { warmup: 0, thresholds: [0.05, 0.1, 0.15, 0.2, 0.3] },
]

const dicache = (threshold: number, warmup: number, steps: number, more: object = {}): Setting => ({
  name: `DiCache threshold ${threshold}, warm-up ${warmup}${Object.entries(more)
    .map(([key, value]) => `, ${key} ${value}`)
    .join('')}`,
  steps,
  cache: dicacheConfiguration({ threshold, warmup, ...more }),
})

/** All settings for runs of `steps` steps; `quick` keeps one of each kind. */
export function settings(steps: number, quick: boolean): readonly Setting[] {
  const fewer = (share: number): Setting => ({
    name: `${Math.round(steps * share)} steps, no cache`,
    steps: Math.round(steps * share),
    cache: null,
  })
  if (quick) return [dicache(0.2, 0.2, steps), fewer(1 / 2)]
  return [
    ...THRESHOLDS.flatMap(({ warmup, thresholds }) => thresholds.map((threshold) => dicache(threshold, warmup, steps))),
    dicache(0.2, 0.2, steps, { history: 1 }),
    dicache(0.2, 0.2, steps, { history: 3 }),
    fewer(1 / 2),
    fewer(2 / 5),
    fewer(1 / 3),
  ]
}
