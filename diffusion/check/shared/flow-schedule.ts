/** What diffusers' flow-matching schedulers make of a scheduler_config.json: noise levels, timesteps and the solver. */
import type { Json } from '../../families/family.ts'
import { flow } from '../../families/parametrisation.ts'
import { timeShift } from '../../noise-levels.ts'
import { predictionOf } from '../../prediction.ts'
import euler from '../../samplers/euler.ts'
import { multistep } from '../../samplers/dpmpp-2m.ts'
import heun from '../../samplers/heun.ts'
import { flowSnr } from '../../samplers/shared/snr.ts'
import uniPc from '../../samplers/uni-pc-bh2.ts'
import type { Sampler } from '../../sampling-types.ts'
import { karrasLevels } from '../../schedules/karras.ts'
import { spaced } from '../../schedules/shared/spaced.ts'
import { twiceAfterFirst, type ReferenceSchedule } from './reference-schedule.ts'

/** What differs between the flow schedulers. */
type FlowRun = Pick<ReferenceSchedule, 'timesteps' | 'sampler'> & { readonly sigmas: readonly number[] }

/** Stretches falling sigmas so that the last is `terminal`. */
function stretchTo(terminal: number, sigmas: readonly number[]): number[] {
  const factor = (1 - sigmas[sigmas.length - 1]!) / (1 - terminal)
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor)
}

/** Evenly spaced levels between the ends of the training range, which the shift has moved already, and moves again. */
function shiftedTwice(config: Json, steps: number): number[] {
  const shift = Number(config['shift'])
  const ends = [1, 1 / Number(config['num_train_timesteps'])].map((time) => timeShift(shift, time))
  return spaced(ends[0]!, ends[1]!, steps).map((sigma) => timeShift(shift, sigma))
}

/** FlowMatchEulerDiscreteScheduler; `mu` is the shift that the pipeline works out from the number of tokens. */
function flowMatchEuler(config: Json, steps: number, mu: number | undefined): FlowRun {
  let sigmas = shiftedTwice(config, steps)
  if (config['use_dynamic_shifting'] === true) {
    const factor = config['time_shift_type'] === 'linear' ? mu! : Math.exp(mu!)
    sigmas = spaced(1, 1 / steps, steps).map((sigma) => timeShift(factor, sigma))
  }
  if (typeof config['shift_terminal'] === 'number') sigmas = stretchTo(config['shift_terminal'], sigmas)
  if (config['use_karras_sigmas'] === true) sigmas = karrasLevels(sigmas[0]!, sigmas[sigmas.length - 1]!, steps)
  const trainSteps = Number(config['num_train_timesteps'])
  return { sigmas: [...sigmas, 0], timesteps: sigmas.map((sigma) => Math.fround(sigma) * trainSteps), sampler: euler }
}

/** FlowMatchHeunDiscreteScheduler. */
function flowMatchHeun(config: Json, steps: number): FlowRun {
  const sigmas = shiftedTwice(config, steps)
  const timesteps = sigmas.map((sigma) => Math.fround(sigma) * Number(config['num_train_timesteps']))
  return { sigmas: [...sigmas, 0], timesteps: twiceAfterFirst(timesteps), sampler: heun }
}

/** A multistep scheduler with flow sigmas, shifted from `unshifted`; its timesteps are whole numbers. */
function flowMultistep(config: Json, unshifted: readonly number[], sampler: Sampler): FlowRun {
  // A solver in log((1 - sigma) / sigma) cannot begin at pure noise; diffusers begins a millionth below.
  const sigmas = unshifted.map((sigma) => Math.min(timeShift(Number(config['flow_shift']), sigma), 1 - 1e-6))
  const timesteps = sigmas.map((sigma) => Math.trunc(sigma * Number(config['num_train_timesteps'])))
  return { sigmas: [...sigmas, 0], timesteps, sampler }
}

/** DPMSolverMultistepScheduler and UniPCMultistepScheduler of second order, or null for another. */
function multistepRun(config: Json, steps: number): FlowRun | null {
  if (config['use_flow_sigmas'] !== true || config['solver_order'] !== 2) return null
  const lowest = 1 / Number(config['num_train_timesteps'])
  if (config['_class_name'] === 'DPMSolverMultistepScheduler' && config['algorithm_type'] === 'dpmsolver++') {
    const sampler = multistep('dpmpp_2m over flow', flowSnr.lambda)
    return flowMultistep(config, spaced(1 - lowest, 0, steps + 1).slice(0, -1), sampler)
  }
  if (config['_class_name'] === 'UniPCMultistepScheduler' && config['solver_type'] === 'bh2')
    return flowMultistep(config, spaced(1, lowest, steps + 1).slice(0, -1), uniPc)
  return null
}

function runOf(config: Json, steps: number, mu: number | undefined): FlowRun | null {
  if (config['_class_name'] === 'FlowMatchEulerDiscreteScheduler') return flowMatchEuler(config, steps, mu)
  if (config['_class_name'] === 'FlowMatchHeunDiscreteScheduler') return flowMatchHeun(config, steps)
  return multistepRun(config, steps)
}

/** The schedule that this program makes for a flow scheduler's configuration, or null where it has no such scheduler. */
export function flowSchedule(config: Json, steps: number, mu: number | undefined): ReferenceSchedule | null {
  const run = runOf(config, steps, mu)
  if (!run) return null
  const trainSteps = Number(config['num_train_timesteps'])
  const isHeun = run.sampler === heun
  return {
    ...run,
    sigmas: isHeun ? [...twiceAfterFirst(run.sigmas.slice(0, -1)), 0] : run.sigmas,
    runs: [run.sigmas],
    trainSteps,
    kind: 'flow',
    prediction: predictionOf(flow(1, trainSteps)),
    kept: () => 1,
    alphas: null,
  }
}
