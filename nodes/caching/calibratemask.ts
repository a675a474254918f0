/** CalibrateMask: the best steps to compute, found from uncached runs of the model at hand, as a list for StepMask. */
import type { Branch, Call } from '../../diffusion/caching/contract.ts'
import { bestMask, gapErrors, type FoundMask, type RecordedRun } from '../../diffusion/caching/mask-search.ts'
import { evenly, formatSteps } from '../../diffusion/caching/masks.ts'
import type { Forecast } from '../../diffusion/caching/estimators.ts'
import { lerp, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { int, toggle } from '../spec.ts'
import { calibrationRunInputs, observe, runsOf, type CalibrationRuns } from './calibration/runs.ts'
import { forecastKnobs, forecastOf } from './knobs/residual.ts'

/** Guided predictions of every sample of every run, in order. */
async function record(plan: CalibrationRuns): Promise<RecordedRun[]> {
  const byCall = new Map<Call, Map<Branch, Tensor>>()
  await observe(plan, {
    taps: [],
    begin: () => null,
    see({ call, branch, prediction: { data, shape } }) {
      const seen = byCall.get(call) ?? new Map<Branch, Tensor>()
      byCall.set(call, seen.set(branch, { data: data.slice(), shape }))
    },
  })
  const runs: Tensor[][] = []
  const ofSample = new Map<number, Tensor[]>()
  for (const [call, seen] of byCall) {
    if (call.index === 0) {
      const fresh: Tensor[] = []
      ofSample.set(call.sample, fresh)
      runs.push(fresh)
    }
    const [cond, uncond] = [seen.get('cond')!, seen.get('uncond')]
    ofSample.get(call.sample)!.push(uncond ? lerp(uncond, cond, call.guidance) : cond)
  }
  return runs.map((predictions) => ({ sigmas: plan.sigmas, predictions }))
}

/** What is searched for. */
export interface MaskSearch {
  readonly count: number
  readonly forceLast: boolean
  readonly forecast: Forecast
}

export interface CalibratedMask extends FoundMask {
  /** What as many steps, evenly spaced, would have left. */
  readonly evenly: number
  readonly runs: number
}

/** The error of a given mask. */
function errorOf(steps: readonly number[], total: number, error: ReturnType<typeof gapErrors>): number {
  return steps.reduce((sum, from, i) => sum + error(steps[i - 1] ?? null, from, steps[i + 1] ?? total), 0)
}

/** Makes the runs and searches. Throws for samplers that do not evaluate once a step, and for a count the run cannot have. */
export async function calibrateMask(plan: CalibrationRuns, search: MaskSearch): Promise<CalibratedMask> {
  const total = plan.sigmas.length - 1
  if (plan.sampler.evaluations(plan.sigmas) !== total)
    throw new Error(
      `CalibrateMask, sampler_name: ${plan.sampler.name} evaluates the model more than once a step; expected one that does once, such as euler or dpmpp_2m`,
    )
  if (search.count > total)
    throw new Error(`CalibrateMask, count: expected at most the ${total} steps of the run, received ${search.count}`)
  const runs = await record(plan)
  const error = gapErrors(runs, search.forecast)
  const found = bestMask(total, search.count, error, search.forceLast)
  return { ...found, evenly: errorOf(evenly(total, search.count), total, error), runs: runs.length }
}

export default defineNode({
  type: 'CalibrateMask',
  category: 'caching',
  title: 'Calibrate Mask',
  help:
    'Runs the sampler without a cache and finds the steps to compute that leave the latent nearest to that run, among all masks of equal compute. ' +
    "Wire the list into StepMask's steps, or paste it there to keep it; it holds for this model, number of steps and time shift.",
  inputs: {
    ...calibrationRunInputs,
    count: int({
      default: 10,
      min: 2,
      max: 10000,
      help: 'Steps to compute, the budget of the mask: 10 of 30 is a third of the compute.',
    }),
    force_last: toggle({
      default: false,
      help: 'The mask has to compute the last step too, which costs it another one.',
    }),
    ...forecastKnobs,
    forecast: int({
      default: 1,
      min: 0,
      max: 1,
      help: 'What StepMask is to use on a skip, 0 reuse or 1 a line: the best mask depends on it. Set reuse to prediction there, which this measures.',
    }),
  },
  outputs: { steps: 'STRING' },
  isOutput: true,
  async run(values, context) {
    const search = { count: values.count, forceLast: values.force_last, forecast: forecastOf(values) }
    const { steps: found, error, evenly: even, runs } = await calibrateMask(runsOf(values, context), search)
    const steps = formatSteps(found)
    const summary = `${found.length} of ${values.steps} steps from ${runs} runs: error ${error.toExponential(2)}, evenly spaced ${even.toExponential(2)}`
    return { steps, ui: { text: [summary, steps] } }
  },
})
