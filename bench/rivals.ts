/** The rival of every caching method: no cache, but fewer model evaluations, with each of several samplers, evenly spaced or well placed. */
import { stepsWithin } from '../diffusion/fewer-steps.ts'
import { samplers } from '../diffusion/registry.ts'
import { calibratedMask } from '../nodes/caching/calibration/masks.ts'
import rivals from './rivals.json' with { type: 'json' }
import { sigmasFor, type Stage } from './scene.ts'
import type { Setting } from './setting.ts'

const found = (names: readonly string[]) => names.flatMap((name) => samplers.get(name) ?? [])

const plainSetting = (sampler: string, kind: string, steps: number): Setting => ({
  role: 'fewer',
  method: `FewerSteps ${sampler}${kind && ` ${kind}`}`,
  name: `FewerSteps ${sampler}${kind && ` ${kind}`}, ${steps} steps`,
  sampler,
  steps,
  params: {},
  wire: (model) => Promise.resolve({ model, cache: null }),
})

/** Runs with shares of the `steps` evaluations of the uncached Euler run; samplers that are not there are left out. */
export function fewerSteps(steps: number, shares: readonly number[]): readonly Setting[] {
  return found(rivals.samplers).flatMap((sampler) => {
    const counts = new Set(shares.map((share) => stepsWithin(sampler, Math.round(share * steps))))
    return [...counts].map((fewer) => plainSetting(sampler.name, '', fewer))
  })
}

/** The steps that calibrated masks of this run compute, as noise levels of their own. Throws UnmetNeedsError where there is none. */
export function optimisedSteps(stage: Stage, steps: number, shares: readonly number[]): readonly Setting[] {
  const sigmas = sigmasFor(stage, { steps })
  const run = { model: stage.checkpoint.model.name, sampler: 'euler', guidance: stage.guidance, sigmas }
  const masks = shares.map((share) => calibratedMask('bench', '', share, run))
  const byCount = new Map(masks.map((mask) => [mask.length, mask]))
  return found(rivals.optimised).flatMap(({ name }) =>
    [...byCount].map(([count, mask]): Setting => {
      const own = [...mask.map((step) => sigmas[step]!), sigmas.at(-1)!]
      return { ...plainSetting(name, 'optimised', count), sigmas: own }
    }),
  )
}
