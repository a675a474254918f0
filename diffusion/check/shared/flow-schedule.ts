/** What diffusers' flow-matching schedulers make of a scheduler_config.json: noise levels, timesteps and the solver. */
import type { Json } from '../../families/family.ts'
import { timeShift } from '../../noise-levels.ts'
import euler from '../../samplers/euler.ts'
import { multistep } from '../../samplers/dpmpp-2m.ts'
import uniPc from '../../samplers/uni-pc-bh2.ts'
import type { Sampler } from '../../sampling-types.ts'
import { karrasLevels } from '../../schedules/karras.ts'

/** One schedule of a run: `timesteps[i]` is what the model is told at `sigmas[i]`; the last sigma is 0. */
export interface FlowSchedule {
  readonly sigmas: readonly number[]
  readonly timesteps: readonly number[]
  readonly sampler: Sampler
}

/** `count` values from `first` to `last`, both included. */
const spaced = (first: number, last: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + ((last - first) * i) / Math.max(1, count - 1))

/** Stretches falling sigmas so that the last is `terminal`. */
function stretchTo(terminal: number, sigmas: readonly number[]): number[] {
  const factor = (1 - sigmas[sigmas.length - 1]!) / (1 - terminal)
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor)
}

/** FlowMatchEulerDiscreteScheduler; `mu` is the shift that the pipeline works out from the number of tokens. */
function flowMatchEuler(config: Json, steps: number, mu: number | undefined): FlowSchedule {
  const trainSteps = Number(config['num_train_timesteps'])
  const shift = Number(config['shift'])
  const dynamic = config['use_dynamic_shifting'] === true
  // Without dynamic shifting the range's ends are shifted already when the levels between them are shifted.
  const range = dynamic
    ? spaced(1, 1 / steps, steps)
    : spaced(timeShift(shift, 1), timeShift(shift, 1 / trainSteps), steps)
  const factor = !dynamic ? shift : config['time_shift_type'] === 'linear' ? mu! : Math.exp(mu!)
  let sigmas = range.map((sigma) => timeShift(factor, sigma))
  if (typeof config['shift_terminal'] === 'number') sigmas = stretchTo(config['shift_terminal'], sigmas)
  if (config['use_karras_sigmas'] === true) sigmas = karrasLevels(sigmas[0]!, sigmas[sigmas.length - 1]!, steps)
  return { sigmas: [...sigmas, 0], timesteps: sigmas.map((sigma) => Math.fround(sigma) * trainSteps), sampler: euler }
}

/** Half the logarithm of the signal-to-noise ratio of a flow model. */
const flowLambda = (sigma: number): number => Math.log((1 - sigma) / sigma)

/** A multistep scheduler with flow sigmas, shifted from `unshifted`; its timesteps are whole numbers. */
function flowMultistep(config: Json, unshifted: readonly number[], sampler: Sampler): FlowSchedule {
  // A solver in log((1 - sigma) / sigma) cannot begin at pure noise; diffusers begins a millionth below.
  const sigmas = unshifted.map((sigma) => Math.min(timeShift(Number(config['flow_shift']), sigma), 1 - 1e-6))
  const timesteps = sigmas.map((sigma) => Math.trunc(sigma * Number(config['num_train_timesteps'])))
  return { sigmas: [...sigmas, 0], timesteps, sampler }
}

/** DPMSolverMultistepScheduler and UniPCMultistepScheduler of second order, or null for another. */
function multistepSchedule(config: Json, steps: number): FlowSchedule | null {
  if (config['use_flow_sigmas'] !== true || config['solver_order'] !== 2) return null
  const lowest = 1 / Number(config['num_train_timesteps'])
  if (config['_class_name'] === 'DPMSolverMultistepScheduler' && config['algorithm_type'] === 'dpmsolver++') {
    const sampler = multistep('dpmpp_2m over flow', flowLambda)
    return flowMultistep(config, spaced(1 - lowest, 0, steps + 1).slice(0, -1), sampler)
  }
  if (config['_class_name'] === 'UniPCMultistepScheduler' && config['solver_type'] === 'bh2')
    return flowMultistep(config, spaced(1, lowest, steps + 1).slice(0, -1), uniPc)
  return null
}

/** The schedule that this program makes for a scheduler configuration, or null where it has no such scheduler. */
export function flowSchedule(config: Json, steps: number, mu: number | undefined): FlowSchedule | null {
  if (config['_class_name'] === 'FlowMatchEulerDiscreteScheduler') return flowMatchEuler(config, steps, mu)
  return multistepSchedule(config, steps)
}
