/** CalibrateMask: the best steps to compute, found from uncached runs of the model at hand, for ForecastCache and StepMask. */
import type { GapRule } from '../../diffusion/caching/mask-search.ts'
import { formatSteps } from '../../diffusion/caching/masks.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, toggle, type Values } from '../spec.ts'
import { maskTable, recordRuns, searchMask } from './calibration/mask-runs.ts'
import { maskText } from './calibration/masks.ts'
import { calibrationRunInputs, runsOf } from './calibration/runs.ts'
import { ENOUGH_TO_CORRECT } from './forecasting/correcting.ts'
import { forecastKnobsFrom, forecastOf } from './knobs/residual.ts'

const LINE = { order: 1, axis: 'sigma', reach: 0.5 } as const

const inputs = {
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
  ...forecastKnobsFrom(LINE),
  forecast: int({
    default: LINE.order,
    min: 0,
    max: 1,
    help: 'What is to be used on a skip, 0 reuse of the prediction or 1 a line: the best mask depends on it.',
  }),
  corrector: choice(['auto', 'on', 'off'], {
    default: 'auto',
    help: 'Whether ForecastCache is to correct the skipped steps, auto from ten computed steps on; StepMask never does.',
  }),
  weight: float({
    default: 0.5,
    min: 0,
    max: 4,
    step: 0.1,
    help: 'Power of sigma by which errors count: above 0, early ones count for more, since later steps carry them on. 0.5 was best at shift 1, 0 at shift 3.',
  }),
}

function ruleOf(values: Values<typeof inputs>): GapRule {
  const { corrector, count, weight } = values
  const corrected = corrector === 'auto' ? count >= ENOUGH_TO_CORRECT : corrector === 'on'
  return { forecast: forecastOf(values), corrected, weight }
}

export default defineNode({
  type: 'CalibrateMask',
  category: 'caching',
  title: 'Calibrate Mask',
  help:
    'Runs the sampler without a cache and finds the steps to compute that leave the latent nearest to that run, among all masks of equal compute. ' +
    "Wire the calibration into ForecastCache or StepMask, which refuse it for another model, sampler, number of steps, shift or guidance; the list alone, into StepMask's steps, is taken anywhere.",
  inputs,
  outputs: { calibration: 'STRING', steps: 'STRING' },
  isOutput: true,
  async run(values, context) {
    const plan = runsOf(values, context)
    const runs = await recordRuns(plan)
    const found = searchMask(runs, values.count, ruleOf(values), values.force_last)
    const steps = formatSteps(found.steps)
    const summary = `${found.steps.length} of ${values.steps} steps from ${runs.length} runs: error ${found.error.toExponential(2)}, evenly spaced ${found.evenly.toExponential(2)}`
    return { calibration: maskText(maskTable(plan, runs, [found])), steps, ui: { text: [summary, steps] } }
  },
})
