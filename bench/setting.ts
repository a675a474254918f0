/** One line of the cache bench: a sampler, a number of steps, and what is wired to the model. */
import type { CacheConfiguration } from '../diffusion/caching/contract.ts'
import type { DiffusionModel } from '../diffusion/families/contract.ts'

/** A model as the sampler gets it under a setting. */
export interface Wired {
  readonly model: DiffusionModel
  readonly cache: CacheConfiguration | null
}

/**
 * What a setting is there for: the run everything is compared with, a caching method, a fixed mask of steps (the rival of
 * every adaptive method), or plain sampling with fewer evaluations (the rival of them all).
 */
export type Role = 'uncached' | 'method' | 'mask' | 'fewer'

export interface Setting {
  readonly role: Role
  /** Class name of the caching node; for plain runs 'Uncached' or 'FewerSteps SAMPLER'. */
  readonly method: string
  /** What the README shows one row of, where that is not all of the method. */
  readonly group?: string | undefined
  /** Unique in a bench, e.g. 'DiCache threshold 0.2'. */
  readonly name: string
  /** Registry name of the sampler. */
  readonly sampler: string
  readonly steps: number
  /** Noise levels of its own, one more than steps; the schedule's where there are none. */
  readonly sigmas?: readonly number[]
  /** Every parameter of the caching node. */
  readonly params: Readonly<Record<string, unknown>>
  wire(model: DiffusionModel): Promise<Wired>
}

/** The run that every other one is compared with. */
export const uncached = (steps: number): Setting => ({
  role: 'uncached',
  method: 'Uncached',
  name: `euler, ${steps} steps, uncached`,
  sampler: 'euler',
  steps,
  params: {},
  wire: (model) => Promise.resolve({ model, cache: null }),
})
