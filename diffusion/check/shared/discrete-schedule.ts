/** What diffusers' schedulers over a table of betas make of a scheduler_config.json: noise levels, timesteps and the solver. */
import type { DiscreteParametrisation } from '../../families/contract.ts'
import type { Json } from '../../families/family.ts'
import { zeroTerminalSnr } from '../../families/parametrisation.ts'
import { discreteSigmas, placeOf, predictionOf } from '../../prediction.ts'
import ddim from '../../samplers/ddim.ts'
import dpmpp2m from '../../samplers/dpmpp-2m.ts'
import euler from '../../samplers/euler.ts'
import heun from '../../samplers/heun.ts'
import uniPc from '../../samplers/uni-pc-bh2.ts'
import type { Sampler } from '../../sampling-types.ts'
import { karrasLevels } from '../../schedules/karras.ts'
import { roundHalfEven } from '../../schedules/shared/rounding.ts'
import { spaced } from '../../schedules/shared/spaced.ts'
import { twiceAfterFirst, type ReferenceSchedule } from './reference-schedule.ts'

/** Stands for the 0 that the last cumulative product is without any signal left: sigma stays finite, and vanishes in float32. */
const NO_SIGNAL = 1e-20

/** In what the schedulers differ. */
interface Scheduler {
  readonly sampler: Sampler
  /** States and model inputs as x = sqrt(a) clean + sqrt(1 - a) noise, else as clean + sigma noise. */
  readonly preserving: boolean
  /** Evenly spaced training steps leave out a last one that lies at the clean end, and are rounded. */
  readonly stopsShort: boolean
  /** Whether the settings are ones that this program has. */
  fits(config: Json): boolean
}

const endsAtZero = (config: Json): boolean => (config['final_sigmas_type'] ?? 'zero') === 'zero'

const SCHEDULERS: Readonly<Record<string, Scheduler>> = {
  DDIMScheduler: {
    ...{ sampler: ddim, preserving: true, stopsShort: false },
    fits: (config) => config['clip_sample'] === false && config['thresholding'] !== true,
  },
  DPMSolverMultistepScheduler: {
    ...{ sampler: dpmpp2m, preserving: true, stopsShort: true },
    fits: (config) =>
      config['algorithm_type'] === 'dpmsolver++' &&
      config['solver_order'] === 2 &&
      config['solver_type'] === 'midpoint' &&
      config['thresholding'] !== true &&
      endsAtZero(config),
  },
  EulerDiscreteScheduler: {
    ...{ sampler: euler, preserving: false, stopsShort: false },
    fits: (config) => config['interpolation_type'] !== 'log_linear' && endsAtZero(config),
  },
  HeunDiscreteScheduler: { sampler: heun, preserving: false, stopsShort: false, fits: () => true },
  UniPCMultistepScheduler: {
    ...{ sampler: uniPc, preserving: true, stopsShort: true },
    fits: (config) =>
      config['solver_order'] === 2 &&
      config['solver_type'] === 'bh2' &&
      config['predict_x0'] !== false &&
      config['thresholding'] !== true &&
      endsAtZero(config),
  },
}

const KINDS: Readonly<Record<string, DiscreteParametrisation['kind']>> = { epsilon: 'epsilon', v_prediction: 'v' }

/** Cumulative products of 1 - beta as diffusers has them: betas and their complements in float32, which moves the last by a millionth. */
function float32Alphas(first: number, last: number, power: number, count: number): Float64Array {
  const [low, high] = [Math.fround(first ** (1 / power)), Math.fround(last ** (1 / power))]
  const step = (high - low) / Math.max(1, count - 1)
  let product = 1
  return Float64Array.from({ length: count }, (_, i) => {
    const root = Math.fround(i < count / 2 ? low + step * i : high - step * (count - 1 - i))
    product *= Math.fround(1 - Math.fround(root ** power))
    return Math.fround(product)
  })
}

function parametrisationOf(config: Json): DiscreteParametrisation | null {
  const { prediction_type: predicts = 'epsilon', beta_schedule: schedule } = config
  const kind = typeof predicts === 'string' ? KINDS[predicts] : undefined
  if (!kind || (schedule !== 'linear' && schedule !== 'scaled_linear') || config['trained_betas']) return null
  const trainSteps = Number(config['num_train_timesteps'])
  const power = schedule === 'linear' ? 1 : 2
  const alphas = float32Alphas(Number(config['beta_start']), Number(config['beta_end']), power, trainSteps)
  return { kind, trainSteps, alphas: config['rescale_betas_zero_snr'] === true ? zeroTerminalSnr(alphas) : alphas }
}

/** The training steps that a scheduler visits, falling (Lin et al. 2024, table 2). */
function trainingSteps(config: Json, steps: number, { stopsShort }: Scheduler): number[] {
  const total = Number(config['num_train_timesteps'])
  const offset = Number(config['steps_offset'] ?? 0)
  const rounded = stopsShort || config['_class_name'] === 'DDIMScheduler'
  switch (config['timestep_spacing'] ?? 'linspace') {
    case 'leading': {
      const count = stopsShort ? steps + 1 : steps
      const ratio = Math.floor(total / count)
      return Array.from({ length: steps }, (_, i) => (count - 1 - i) * ratio + offset)
    }
    case 'trailing':
      return Array.from({ length: steps }, (_, i) => roundHalfEven(total - (i * total) / steps) - 1)
    default: {
      const even = stopsShort ? spaced(total - 1, 0, steps + 1).slice(0, -1) : spaced(total - 1, 0, steps)
      return rounded ? even.map(roundHalfEven) : even
    }
  }
}

/** The table's value at a place, straight between its entries. */
function at(table: Float64Array, place: number): number {
  const below = Math.floor(place)
  const low = table[below]!
  return low + (place - below) * ((table[below + 1] ?? low) - low)
}

/** Falling levels and the times that the model is told at them. */
function levelsOf(config: Json, steps: number, scheduler: Scheduler, table: Float64Array) {
  const times = trainingSteps(config, steps, scheduler)
  const sigmas = times.map((time) => at(table, time))
  if (config['use_karras_sigmas'] !== true) return { sigmas, times }
  // The multistep schedulers span the whole table, the others the levels that they would have visited.
  const [highest, lowest] = scheduler.stopsShort
    ? [table[table.length - 1]!, table[0]!]
    : [sigmas[0]!, sigmas[sigmas.length - 1]!]
  const karras = karrasLevels(highest, lowest, steps)
  const places = karras.map((sigma) => placeOf(table, sigma))
  return { sigmas: karras, times: scheduler.stopsShort ? places.map(roundHalfEven) : places }
}

/** DDIM goes from each level to the one a fixed number of training steps below, wherever the next step then begins. */
function ddimRuns(config: Json, steps: number, times: readonly number[], table: Float64Array): number[][] {
  const stride = Math.floor(Number(config['num_train_timesteps']) / steps)
  const last = config['set_alpha_to_one'] === false ? table[0]! : 0
  return times.map((time) => [table[time]!, time >= stride ? table[time - stride]! : last])
}

/** The schedule that this program makes for a configuration over betas, or null where it has no such scheduler. */
export function discreteSchedule(config: Json, steps: number): ReferenceSchedule | null {
  const name = String(config['_class_name'])
  const scheduler = Object.hasOwn(SCHEDULERS, name) ? SCHEDULERS[name] : undefined
  const unsupported = ['use_flow_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas', 'use_lu_lambdas']
  if (!scheduler?.fits(config) || unsupported.some((setting) => config[setting] === true)) return null
  const parametrisation = parametrisationOf(config)
  if (!parametrisation) return null
  const alphas = parametrisation.alphas.map((alpha) => Math.max(alpha, NO_SIGNAL))
  const table = discreteSigmas({ ...parametrisation, alphas })
  const { sigmas, times } = levelsOf(config, steps, scheduler, table)
  const [isDdim, isHeun] = [scheduler.sampler === ddim, scheduler.sampler === heun]
  return {
    sigmas: isDdim ? null : [...(isHeun ? twiceAfterFirst(sigmas) : sigmas), 0],
    timesteps: isHeun ? twiceAfterFirst(times) : times,
    trainSteps: parametrisation.trainSteps,
    sampler: scheduler.sampler,
    runs: isDdim ? ddimRuns(config, steps, times, table) : [[...sigmas, 0]],
    kind: 'exploding',
    prediction: predictionOf({ ...parametrisation, alphas }),
    kept: (sigma) => (scheduler.preserving ? 1 / Math.sqrt(sigma ** 2 + 1) : 1),
    alphas: parametrisation.alphas,
  }
}
