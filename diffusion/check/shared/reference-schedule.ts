/** A run as one of diffusers' schedulers makes it: what the checker of schedules compares with, however the scheduler writes its states. */
import type { Prediction } from '../../prediction.ts'
import type { Medium, Sampler } from '../../sampling-types.ts'

/** `timesteps[i]` is what the model is told at its i-th evaluation. */
export interface ReferenceSchedule {
  /** The levels as the scheduler lists them, or null where it keeps none. */
  readonly sigmas: readonly number[] | null
  readonly timesteps: readonly number[]
  readonly trainSteps: number
  readonly sampler: Sampler
  /** Noise levels of the sampler's runs, one after another: the state that one leaves is the next one's start. */
  readonly runs: readonly (readonly number[])[]
  readonly kind: Medium['kind']
  readonly prediction: Pick<Prediction, 'input' | 'denoised'>
  /** Factor from the sampler's state at a level to the one that the scheduler hands on. */
  readonly kept: (sigma: number) => number
  /** Cumulative products of the betas, where there are any. */
  readonly alphas: Float64Array | null
}

/** The middle of a step of Heun's method is a step of the scheduler: all but the first value are listed twice. */
export const twiceAfterFirst = (values: readonly number[]): number[] =>
  values.flatMap((value, i) => (i === 0 ? [value] : [value, value]))
