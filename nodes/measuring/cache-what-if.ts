/** CacheWhatIf: from one full run, what a caching method would skip at a whole range of thresholds, and where a real run departs from that. */
import type { CacheConfiguration } from '../../diffusion/caching/contract.ts'
import { recorder } from '../../diffusion/caching/recording.ts'
import { firstDivergence, replay, type Divergence, type Prediction } from '../../diffusion/caching/replay.ts'
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import { sample } from '../../diffusion/sampling.ts'
import type { SamplingResult } from '../../diffusion/sampling-types.ts'
import { defineNode, type Reporter } from '../define.ts'
import { port } from '../ports.ts'
import { samplingInputs, samplingRun, watched } from '../sampling-run.ts'
import { float, int, text, toggle, type Values } from '../spec.ts'
import { drawWhatIf, type Column } from './drawing/what-if.ts'
import { computedShare, knobOf, valuesBetween, type Knob } from './turning/knob.ts'

/** The prediction at one value of the knob. */
interface Point {
  readonly value: number
  readonly prediction: Prediction
}

/** The run with the configuration as it came in, beside its prediction. */
interface Checked {
  readonly prediction: Prediction
  readonly report: CacheReport
  readonly divergence: Divergence | null
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
const reusedIn = (rows: Prediction['rows']): number =>
  rows.filter(({ decision }) => decision === 'skipped' || decision === 'partial').length

function pointText({ value, prediction }: Point): string {
  const share = computedShare(prediction)
  const reused = reusedIn(prediction.rows)
  return `${value}: ${percent(share)} computed, ${(1 / share).toFixed(2)}x less, ${reused} of ${prediction.rows.length} reused`
}

function divergenceText(divergence: Divergence | null): string {
  if (!divergence) return 'every decision as predicted'
  const { evaluation, sample: row, branch, predicted, real } = divergence
  return `first parts from the prediction at evaluation ${evaluation + 1}, sample ${row + 1}, ${branch}: ${real}, predicted ${predicted}`
}

const checkedText = (knob: Knob, { prediction, report, divergence }: Checked): string =>
  `real run at ${knob.value}: ${percent(computedShare(report))} computed, predicted ${percent(computedShare(prediction))}; ${divergenceText(divergence)}`

/** What other programs read. Decisions by sample and branch, one letter an evaluation: F full, R resumed, P partial, S skipped. */
function toJson(cache: CacheConfiguration, knob: Knob, points: readonly Point[], checked: Checked | null): string {
  const lettersOf = (rows: Prediction['rows']) => {
    const letters: Record<string, string> = {}
    for (const row of rows) {
      const key = `${row.sample} ${row.branch}`
      letters[key] = (letters[key] ?? '') + row.decision.charAt(0).toUpperCase()
    }
    return letters
  }
  const sums = (one: Prediction | CacheReport) => {
    const { computedBlocks, totalBlocks, computedFlops, totalFlops } = one
    const costs = { computedBlocks, totalBlocks, computedFlops, totalFlops }
    return { ...costs, computedShare: computedShare(costs), decisions: lettersOf(one.rows) }
  }
  return JSON.stringify({
    ...{ method: cache.method, params: cache.params, knob: knob.name },
    predicted: points.map(({ value, prediction }) => ({ value, ...sums(prediction) })),
    real: checked && { value: knob.value, ...sums(checked.report) },
    predictedThere: checked && { value: knob.value, ...sums(checked.prediction) },
    firstDivergence: checked?.divergence ?? null,
  })
}

const columnOf = (label: string, rows: Column['rows'], share: number): Column => ({ label, rows, share })

function draw(cache: CacheConfiguration, knob: Knob, points: readonly Point[], checked: Checked | null, depth: number) {
  const rows = points[0]?.prediction.rows ?? []
  const title = `${cache.method}: ${knob.name} ${points[0]?.value ?? 0} to ${points.at(-1)?.value ?? 0}, predicted from one full run`
  return drawWhatIf({
    lines: [title, ...(checked ? checkedText(knob, checked).split('; ') : ['not compared with a real run'])],
    depth,
    evaluations: rows.reduce((most, { evaluation }) => Math.max(most, evaluation + 1), 0),
    predicted: points.map(({ value, prediction }) =>
      columnOf(String(value), prediction.rows, computedShare(prediction)),
    ),
    beside: checked
      ? [
          columnOf('pred', checked.prediction.rows, computedShare(checked.prediction)),
          columnOf('real', checked.report.rows, computedShare(checked.report)),
        ]
      : [],
    parted: checked?.divergence?.evaluation ?? null,
  })
}

const inputs = {
  ...samplingInputs,
  cache: port('CACHE', { help: 'Any caching method, set up as it is to be used.' }),
  low: float({ default: 0, min: 0, max: 1000, step: 0.01, help: 'Smallest value of the knob.' }),
  high: float({ default: 0.6, min: 0, max: 1000, step: 0.01, help: 'Largest value of the knob.' }),
  points: int({ default: 25, min: 2, max: 100, help: 'How many values are tried; they cost no run of the model.' }),
  verify: toggle({
    default: true,
    help: 'Also run the method for real as it is set up, and say at which evaluation the prediction first goes wrong. One more run.',
  }),
  knob: text({ default: 'threshold', help: "Which of the method's numbers is turned." }),
  whole_numbers: toggle({ default: false, help: 'For knobs that count something, such as an interval or a depth.' }),
}

export default defineNode({
  type: 'CacheWhatIf',
  category: 'measuring',
  title: 'Cache What-If',
  help: "Samples once in full, and tells from that run what the caching method would skip at every threshold of a range, without running the model again. Then, if told to, runs it for real and says where prediction and run part: once a step is skipped, the latents are no longer the full run's.",
  inputs,
  outputs: { IMAGE: 'IMAGE', LATENT: 'LATENT', text: 'STRING', json: 'STRING' },
  isOutput: true,
  validate: ({ low, high }) =>
    low !== undefined && high !== undefined && low >= high
      ? { high: `the range ends at ${high}, where it begins or before; it begins at ${low}` }
      : undefined,
  async run(values, { report, signal }) {
    const { cache, model } = values
    const knob = knobOf(cache, values.knob)
    const settings = valuesBetween(values.low, values.high, values.points, values.whole_numbers)
    const run = samplerOf(values, report, signal)
    const tape = recorder(
      [...settings.map((value) => knob.at(value)), cache],
      values.latent_image.samples.shape[0] ?? 1,
    )
    const full = await run(tape.cache)
    const predict = (configuration: CacheConfiguration) => {
      signal.throwIfAborted()
      return replay(tape.recording(), configuration, model.transformer)
    }
    const points: Point[] = []
    for (const value of settings) points.push({ value, prediction: await predict(knob.at(value)) })
    const checked = values.verify ? check(await predict(cache), await run(cache), report) : null
    if (new Set(points.map(({ prediction }) => computedShare(prediction))).size === 1)
      report.warn(`turning ${knob.name} changes nothing: does a preset of ${cache.method} fix it?`)
    const lines = [
      ...(checked ? [checkedText(knob, checked)] : []),
      `${cache.method}, ${knob.name}, predicted from one full run of ${full.report.seconds.toFixed(1)} s:`,
      ...points.map(pointText),
    ]
    return {
      IMAGE: draw(cache, knob, points, checked, full.report.depth),
      LATENT: { samples: full.samples },
      text: lines.join('\n'),
      json: toJson(cache, knob, points, checked),
      ui: { text: lines },
    }
  },
})

/** Runs with one cache after another on the same noise, as many as `verify` asks for. */
function samplerOf(values: Values<typeof inputs>, report: Reporter, signal: AbortSignal) {
  const run = samplingRun(values)
  const steps = Math.max(1, run.sigmas.length - 1)
  let done = 0
  return async (cache: CacheConfiguration): Promise<SamplingResult> => {
    const among = { before: done++ * steps, all: (values.verify ? 2 : 1) * steps }
    const result = await sample({ ...run, ...watched(values.model.latent, report, among), cache, signal })
    report.sampled(result.report)
    return result
  }
}

/** Sets a prediction beside the real run; what that has to warn of is said on the node. */
function check(prediction: Prediction, { report: real }: SamplingResult, report: Reporter): Checked {
  real.warnings.forEach((warning) => report.warn(warning))
  return { prediction, report: real, divergence: firstDivergence(prediction.rows, real.rows) }
}
