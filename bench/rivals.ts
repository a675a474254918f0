/** The rival of every caching method: no cache, but fewer model evaluations, with each of several samplers. */
import { samplers } from '../diffusion/registry.ts'
import type { Sampler } from '../diffusion/sampling-types.ts'
import rivals from './rivals.json' with { type: 'json' }
import type { Setting } from './setting.ts'

const levels = (steps: number): number[] => Array.from({ length: steps + 1 }, (_, i) => 1 - i / steps)

/** The number of steps at which `sampler` comes nearest to `evaluations` model evaluations. */
export function stepsFor(sampler: Sampler, evaluations: number): number {
  const counts = Array.from({ length: Math.max(1, evaluations) }, (_, i) => i + 1)
  const distance = (steps: number) => Math.abs(sampler.evaluations(levels(steps)) - evaluations)
  return counts.reduce((best, steps) => (distance(steps) < distance(best) ? steps : best))
}

/** Runs with shares of the `steps` evaluations of the uncached Euler run; samplers that are not there are left out. */
export function fewerSteps(steps: number, quick: boolean): readonly Setting[] {
  const shares = quick ? rivals.quickShares : rivals.shares
  const found = rivals.samplers.flatMap((name) => samplers.get(name) ?? [])
  return found.flatMap((sampler) => {
    const counts = new Set(shares.map((share) => stepsFor(sampler, Math.round(share * steps))))
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
