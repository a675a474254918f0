/** The other way to compute less: a run of fewer steps, at the same number of model evaluations. */
import type { Sampler } from './sampling-types.ts'

const levels = (steps: number): number[] => Array.from({ length: steps + 1 }, (_, i) => 1 - i / steps)

/** The most steps of `sampler` that cost no more than `evaluations` model evaluations; at least 1. */
export function stepsWithin(sampler: Sampler, evaluations: number): number {
  let steps = 1
  while (sampler.evaluations(levels(steps + 1)) <= evaluations) steps++
  return steps
}

/** Model evaluations of a run of `steps` steps. */
export const evaluationsOf = (sampler: Sampler, steps: number): number => sampler.evaluations(levels(steps))
