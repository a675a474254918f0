/** How models are sampled: flow matching, or a table of noise levels (betas), by name or from a scheduler_config.json. */
import type { DiscreteParametrisation, FlowParametrisation, Parametrisation } from './contract.ts'
import type { Json } from './family.ts'
import { Fields } from './json.ts'

const TRAIN_STEPS = 1000

/** A flow model with this static time shift. */
export const flow = (shift: number, trainSteps = TRAIN_STEPS): FlowParametrisation => ({
  kind: 'flow',
  shift,
  trainSteps,
})

/** How betas lie between the first and the last: evenly, or with evenly spaced square roots ('scaled_linear'). */
export interface Betas {
  readonly schedule: 'linear' | 'scaled_linear'
  readonly first: number
  readonly last: number
  readonly trainSteps: number
}

/** Cumulative products of 1 - beta [trainSteps] (Ho et al. 2020, section 2). */
function cumulativeAlphas({ schedule, first, last, trainSteps }: Betas): Float64Array {
  const power = schedule === 'linear' ? 1 : 2
  const [low, high] = [first ** (1 / power), last ** (1 / power)]
  let product = 1
  return Float64Array.from({ length: trainSteps }, (_, i) => {
    const beta = (low + ((high - low) * i) / Math.max(1, trainSteps - 1)) ** power
    return (product *= 1 - beta)
  })
}

/**
 * The same cumulative products with no signal left at the last step (Lin et al. 2024, algorithm 1): their square roots shifted so
 * that the last is 0, and stretched so that the first stays.
 */
export function zeroTerminalSnr(alphas: Float64Array): Float64Array {
  const [first, last] = [Math.sqrt(alphas[0]!), Math.sqrt(alphas[alphas.length - 1]!)]
  return alphas.map((alpha) => (((Math.sqrt(alpha) - last) * first) / (first - last)) ** 2)
}

/** ComfyUI's last cumulative product of such a model: with 0, sigma would be infinite. */
const NEARLY_NO_SIGNAL = 4.8973451890853435e-8

/** The levels of a model that was trained without terminal signal: sigma up to about 4500. */
export const withoutTerminalSignal = (model: DiscreteParametrisation): DiscreteParametrisation => ({
  ...model,
  alphas: zeroTerminalSnr(model.alphas).map((alpha) => Math.max(alpha, NEARLY_NO_SIGNAL)),
})

/** A model trained on discrete noise levels that predicts the noise ('epsilon') or the velocity ('v'). */
export const discrete = (kind: DiscreteParametrisation['kind'], betas: Betas): DiscreteParametrisation => ({
  kind,
  alphas: cumulativeAlphas(betas),
  trainSteps: betas.trainSteps,
})

/** Betas of DiT (Peebles and Xie 2023, after ADM) and PixArt. */
export const LINEAR_BETAS: Betas = { schedule: 'linear', first: 0.0001, last: 0.02, trainSteps: TRAIN_STEPS }

/** Schedulers of diffusers over the times of a flow; the second, WAN's, has its own name for the shift. */
const FLOW_SCHEDULERS = ['FlowMatchEulerDiscreteScheduler', 'UniPCMultistepScheduler'] as const

function flowOf(fields: Fields, fallback: FlowParametrisation): Parametrisation {
  const solver = fields.choice('_class_name', FLOW_SCHEDULERS)
  if (solver === 'UniPCMultistepScheduler')
    fields.require(fields.flag('use_flow_sigmas', false), 'use_flow_sigmas must be true for a flow model')
  const name = solver === 'UniPCMultistepScheduler' ? 'flow_shift' : 'shift'
  const shift = fields.flag('use_dynamic_shifting', false) ? fallback.shift : fields.number(name, 1)
  fields.require(shift > 0, `shift is ${shift}, expected a number above 0`)
  return flow(shift, fields.count('num_train_timesteps', TRAIN_STEPS))
}

/** Schedulers of diffusers over a table of betas; which solver they name does not matter here. */
const DISCRETE_SCHEDULERS = [
  'DDIMScheduler',
  'DDPMScheduler',
  'DEISMultistepScheduler',
  'DPMSolverMultistepScheduler',
  'DPMSolverSinglestepScheduler',
  'EulerAncestralDiscreteScheduler',
  'EulerDiscreteScheduler',
  'HeunDiscreteScheduler',
  'KDPM2AncestralDiscreteScheduler',
  'KDPM2DiscreteScheduler',
  'LCMScheduler',
  'LMSDiscreteScheduler',
  'PNDMScheduler',
  'UniPCMultistepScheduler',
]

function discreteOf(fields: Fields): Parametrisation {
  const kind = fields.choice('prediction_type', ['epsilon', 'v_prediction'], 'epsilon')
  const betas: Betas = {
    schedule: fields.choice('beta_schedule', ['linear', 'scaled_linear'], 'linear'),
    first: fields.number('beta_start', 0.0001),
    last: fields.number('beta_end', 0.02),
    trainSteps: fields.count('num_train_timesteps', TRAIN_STEPS),
  }
  fields.require(
    betas.first > 0 && betas.first <= betas.last && betas.last < 1,
    `beta_start ${betas.first} and beta_end ${betas.last} must rise inside 0..1`,
  )
  const model = discrete(kind === 'epsilon' ? 'epsilon' : 'v', betas)
  return fields.flag('rescale_betas_zero_snr', false) ? withoutTerminalSignal(model) : model
}

/**
 * What scheduler_config.json says of a model whose family says `fallback`: that stands where there is no file, and for shifts that
 * depend on the picture's size. Throws, naming the file, when the scheduler is not one for this kind of model.
 */
export function parametrisationOf(json: Json | null, fallback: Parametrisation, where: string): Parametrisation {
  if (!json) return fallback
  const fields = new Fields(json, where)
  const isFlow = fallback.kind === 'flow'
  if (!isFlow) fields.choice('_class_name', DISCRETE_SCHEDULERS)
  const parametrisation = isFlow ? flowOf(fields, fallback) : discreteOf(fields)
  fields.done()
  return parametrisation
}
