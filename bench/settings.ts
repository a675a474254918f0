/** What the cache bench compares: DiCache at several settings, and the honest rival, fewer steps. */
import { configure, type CacheConfiguration } from '../diffusion/caching/contract.ts'
import dicacheNode, { dicache, type DiCacheParams } from '../nodes/caching/dicache.ts'

/** One row of the table. */
export interface Setting {
  readonly name: string
  readonly steps: number
  readonly cache: CacheConfiguration | null
}

/** Thresholds with the published warm-up of 20 % of the steps, and without any. */
const THRESHOLDS: readonly { readonly warm_up: number; readonly thresholds: readonly number[] }[] = [
  { warm_up: 0.2, thresholds: [0.1, 0.2, 0.3, 0.4] },
  { warm_up: 0, thresholds: [0.1, 0.15, 0.2, 0.3] },
]

/** The knobs as the node declares them. */
const DEFAULTS = Object.fromEntries(
  Object.entries(dicacheNode.inputs).map(([name, input]) => [name, input.options(() => [])['default']]),
) as unknown as DiCacheParams

/** DiCache with the node's defaults, but for these knobs; the name lists them. */
const withKnobs = (steps: number, knobs: Partial<DiCacheParams>): Setting => ({
  name: `DiCache ${Object.entries(knobs)
    .map(([knob, value]) => `${knob} ${value}`)
    .join(', ')}`,
  steps,
  cache: configure(dicache, { ...DEFAULTS, ...knobs }),
})

/** All settings for runs of `steps` steps; `quick` keeps one of each kind. */
export function settings(steps: number, quick: boolean): readonly Setting[] {
  const fewer = (share: number): Setting => ({
    name: `${Math.round(steps * share)} steps, no cache`,
    steps: Math.round(steps * share),
    cache: null,
  })
  if (quick) return [withKnobs(steps, {}), fewer(1 / 2)]
  return [
    ...THRESHOLDS.flatMap(({ warm_up, thresholds }) =>
      thresholds.map((threshold) => withKnobs(steps, { threshold, warm_up, decide: 'together' })),
    ),
    withKnobs(steps, { threshold: 0.2, warm_up: 0.2, decide: 'per branch' }),
    withKnobs(steps, { threshold: 0.15, warm_up: 0, decide: 'per branch' }),
    withKnobs(steps, { threshold: 0.2, warm_up: 0.2, decide: 'together', history: 1 }),
    withKnobs(steps, { threshold: 0.2, warm_up: 0.2, decide: 'together', history: 3 }),
    fewer(1 / 2),
    fewer(2 / 5),
    fewer(1 / 3),
  ]
}
