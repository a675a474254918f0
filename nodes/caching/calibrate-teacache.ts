/** CalibrateTeaCache: the polynomial from the change of the first block's input to the change of the output, for TeaCache. */
import { calibrationText, SIGNALS, type Signal, type TeaCacheCalibration } from '../../diffusion/caching/calibration.ts'
import { relativeL1, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, int } from '../spec.ts'
import { fitPolynomial } from './calibration/fit.ts'
import { calibrationRunInputs, observe, runsOf, sourceOf, type CalibrationRuns } from './calibration/runs.ts'
import { TAPS } from './teacache.ts'

/** What was seen of the evaluation before; copies, since the runtime may write its buffers again. */
interface Before {
  signal: Tensor | null
  prediction: Tensor | null
}

const copy = ({ data, shape }: Tensor): Tensor => ({ data: data.slice(), shape })

/**
 * Makes the runs and fits, over all pairs of neighbouring evaluations, the relative change of the prediction to that of the
 * signal. Throws when there are no more pairs than coefficients.
 */
export async function calibrateTeaCache(
  plan: CalibrationRuns,
  signal: Signal,
  order: number,
): Promise<TeaCacheCalibration> {
  const [xs, ys]: [number[], number[]] = [[], []]
  const conditions = await observe<Before>(plan, {
    taps: [TAPS[signal]],
    begin: () => ({ signal: null, prediction: null }),
    async see({ input, prediction, denoiser }, before) {
      const now = copy(await denoiser.tap(input, TAPS[signal]))
      if (before.signal && before.prediction) {
        const [x, y] = [relativeL1(now, before.signal), relativeL1(prediction, before.prediction)]
        if (Number.isFinite(x + y)) {
          xs.push(x)
          ys.push(y)
        }
      }
      Object.assign(before, { signal: now, prediction: copy(prediction) })
    },
  })
  const { coefficients, range, ...fit } = fitPolynomial(xs, ys, order)
  return {
    ...{ method: 'TeaCache', model: plan.model.name, source: sourceOf(conditions), conditions },
    ...{ signal, coefficients: [...coefficients], range: [...range], fit },
  }
}

/** Below this share of the variance explained, a polynomial hardly says more than the mean. */
const POOR_FIT = 0.5

export default defineNode({
  type: 'CalibrateTeaCache',
  category: 'caching',
  title: 'Calibrate TeaCache',
  help: 'Runs the sampler without a cache and fits how much the output changes when the input of the first block does. The authors used 70 prompts: give several (a list of conditionings, or one per latent of a batch). Wire the text into TeaCache, or paste it there.',
  inputs: {
    ...calibrationRunInputs,
    signal: choice(SIGNALS, {
      default: 'modulated input',
      help: 'What TeaCache will look at: the modulated input of the first block, as the paper argues for, or the time embedding, which is blind to the picture.',
    }),
    order: int({
      default: 4,
      min: 1,
      max: 4,
      help: 'Degree of the polynomial. 4 is published; with a single prompt a low one is safer, since it bends less where nothing was seen.',
    }),
  },
  outputs: { calibration: 'STRING' },
  isOutput: true,
  async run(values, context) {
    const found = await calibrateTeaCache(runsOf(values, context), values.signal, values.order)
    const calibration = calibrationText(found)
    const { r2 = 0, rms = 0, pairs = 0 } = found.fit ?? {}
    if (r2 < POOR_FIT)
      context.report.warn(
        `TeaCache: the polynomial explains only ${(100 * r2).toFixed(0)} % of the output's changes; more prompts or another signal may help`,
      )
    const summary = `TeaCache, ${found.source}: ${pairs} pairs, R2 ${r2.toFixed(3)}, root mean square error ${rms.toFixed(4)}`
    return { calibration, ui: { text: [summary, calibration] } }
  },
})
