/** The rival of every caching method: no cache, but fewer model evaluations, with each of several samplers. */
import { stepsWithin } from '../diffusion/fewer-steps.ts'
import { samplers } from '../diffusion/registry.ts'
import rivals from './rivals.json' with { type: 'json' }
import type { Setting } from './setting.ts'

/** Runs with shares of the `steps` evaluations of the uncached Euler run; samplers that are not there are left out. */
export function fewerSteps(steps: number, quick: boolean): readonly Setting[] {
  const shares = quick ? rivals.quickShares : rivals.shares
  const found = rivals.samplers.flatMap((name) => samplers.get(name) ?? [])
  return found.flatMap((sampler) => {
    const counts = new Set(shares.map((share) => stepsWithin(sampler, Math.round(share * steps))))
    return [...counts].map((fewer): Setting => ({
      role: 'fewer',
      method: `FewerSteps ${sampler.name}`,
      name: `FewerSteps ${sampler.name}, ${fewer} steps`,
      sampler: sampler.name,
      steps: fewer,
      params: {},
      wire: (model) => Promise.resolve({ model, cache: null }),
    }))
  })
}
