/** TuneCache: turns one knob of a caching method until a target is just met, by a few runs, and gives that configuration. */
import { recorder } from '../../diffusion/caching/recording.ts'
import type { Autoencoder } from '../../diffusion/families/contract.ts'
import { psnr, ssim } from '../../diffusion/metrics.ts'
import { sample } from '../../diffusion/sampling.ts'
import type { SamplingResult } from '../../diffusion/sampling-types.ts'
import type { CacheConfiguration } from '../../diffusion/caching/contract.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode, type Reporter } from '../define.ts'
import { port } from '../ports.ts'
import { samplingInputs, samplingRun, watched } from '../sampling-run.ts'
import { choice, float, int, text, toggle, type Values } from '../spec.ts'
import { figuresText, goals, GOALS, type Figures, type Goal } from './turning/goal.ts'
import { Guide } from './turning/guide.ts'
import { computedShare, knobOf, rounded, valuesBetween, type Knob } from './turning/knob.ts'
import { search, type Found, type Trial } from './turning/search.ts'

const inputs = {
  ...samplingInputs,
  cache: port('CACHE', { help: 'The caching method to tune; its other settings stay as they are.' }),
  goal: choice(GOALS, {
    default: 'speed-up',
    help: 'speed-up: how many times less work than a full run, counted in operations. PSNR (dB) and SSIM: likeness to the picture of the full run; these need a VAE.',
  }),
  target: float({
    default: 2,
    min: 0,
    max: 200,
    step: 0.1,
    help: 'At least this much of the goal: the most faithful setting that is so fast, or the fastest that is so faithful.',
  }),
  low: float({ default: 0.01, min: 0, max: 1000, step: 0.01, help: 'Smallest value of the knob.' }),
  high: float({ default: 1, min: 0, max: 1000, step: 0.01, help: 'Largest value of the knob.' }),
  max_runs: int({ default: 8, min: 1, max: 50, help: 'Most runs with the cache, beside the full one at the start.' }),
  knob: text({ default: 'threshold', help: "Which of the method's numbers is turned." }),
  whole_numbers: toggle({ default: false, help: 'For knobs that count something, such as an interval or a depth.' }),
  vae: port('VAE', { optional: true, help: 'Decodes the pictures that PSNR and SSIM compare.' }),
}

interface Measured extends Trial, Figures {
  readonly result: SamplingResult
}

/** Runs with one cache after another on the same noise, telling the node's reporter how far all of them are. */
function sampler(values: Values<typeof inputs>, report: Reporter, signal: AbortSignal) {
  const run = samplingRun(values)
  const steps = Math.max(1, run.sigmas.length - 1)
  const all = (values.max_runs + 1) * steps
  let done = 0
  return async (cache: CacheConfiguration): Promise<SamplingResult> => {
    const watch = watched(values.model.latent, report, { before: done++ * steps, all })
    const result = await sample({ ...run, ...watch, cache, signal })
    report.sampled(result.report)
    return result
  }
}

/** How far a run is from the full one. */
async function figuresOf(result: SamplingResult, reference: Tensor | null, vae: Autoencoder | undefined) {
  const picture = reference && vae ? await vae.decode(result.samples) : null
  return {
    speedUp: 1 / computedShare(result.report),
    psnr: picture && reference ? psnr(picture, reference) : null,
    ssim: picture && reference ? ssim(picture, reference) : null,
  }
}

function linesOf(knob: Knob, goal: Goal, target: number, { best, met, trials }: Found<Measured>, seconds: number) {
  const clock = (trial: Measured) => `${(seconds / trial.result.report.seconds).toFixed(2)}x by the clock`
  const verdict = met
    ? `meets the target of ${goal.text(target)}`
    : `comes nearest to the target of ${goal.text(target)}`
  return [
    `${knob.name} ${best.value} ${verdict}: ${figuresText(best)}, ${clock(best)}`,
    `tried after a full run of ${seconds.toFixed(1)} s:`,
    ...trials.map((trial) => `${knob.name} ${trial.value}: ${figuresText(trial)}, ${clock(trial)}`),
  ]
}

export default defineNode({
  type: 'TuneCache',
  category: 'measuring',
  title: 'Tune Cache',
  help: 'Finds the setting of a caching method that just meets a speed-up or a likeness: a full run, then a few runs with the cache by bisection, all with the same seed. Gives the configuration for a sampler; the value found can be written into the caching node.',
  inputs,
  outputs: { CACHE: 'CACHE', value: 'FLOAT', LATENT: 'LATENT', report: 'CACHE_REPORT', text: 'STRING' },
  isOutput: true,
  validate: ({ low, high }) =>
    low !== undefined && high !== undefined && low >= high
      ? { high: `the range ends at ${high}, where it begins or before; it begins at ${low}` }
      : undefined,
  async run(values, { report, signal }) {
    const { cache, model, vae, low, high, target } = values
    const [knob, goal] = [knobOf(cache, values.knob), goals[values.goal]]
    if (values.goal !== 'speed-up' && !vae)
      throw new Error(
        `vae: expected a VAE to compare pictures for the goal ${values.goal}, received none. Connect one.`,
      )
    const round = (value: number): number => rounded(value, values.whole_numbers)
    const run = sampler(values, report, signal)

    // A counting knob may ask for other parts of the model at every value.
    const reach = values.whole_numbers ? valuesBetween(low, high, Math.floor(high - low) + 1, true) : [low, high]
    const tape = recorder(
      [...reach, knob.value].map((value) => knob.at(round(value))),
      samplesOf(values),
    )
    const full = await run(tape.cache)
    const reference = vae ? await vae.decode(full.samples) : null
    const guide = new Guide(tape.recording(), knob, model.transformer)
    const [atLow, atHigh] = [await guide.speedUp(round(low)), await guide.speedUp(round(high))]
    if (atLow === atHigh) report.warn(`turning ${knob.name} changes nothing: does a preset of ${cache.method} fix it?`)
    const [slow, fast] = atLow <= atHigh ? [low, high] : [high, low]
    const aim = (wanted: number, a: number, b: number) => guide.reaching(wanted, a, b, values.whole_numbers)
    const aiming = values.goal === 'speed-up'

    const found = await search<Measured>(
      {
        ...{ slow, fast, target, round, grows: goal.grows, tolerance: goal.tolerance, maxRuns: values.max_runs },
        first: aiming ? await aim(target, round(slow), round(fast)) : Math.min(high, Math.max(low, knob.value)),
        alike: async (a, b) => (await guide.speedUp(a)) === (await guide.speedUp(b)),
        // What was measured says how far the prediction is off.
        ...(aiming && {
          guess: async (a, b, last) => aim((target * (await guide.speedUp(last.value))) / last.score, a, b),
        }),
      },
      async (value) => {
        const result = await run(knob.at(value))
        const figures = await figuresOf(result, reference, vae)
        return { value, result, ...figures, score: goal.score(figures) ?? 0 }
      },
    )
    const { best, met } = found
    const lines = linesOf(knob, goal, target, found, full.report.seconds)
    if (!met) report.warn(`no ${knob.name} from ${low} to ${high} that was tried meets the target: ${lines[0]}`)
    report.progress(1, 1)
    return {
      CACHE: knob.at(best.value),
      value: best.value,
      LATENT: { samples: best.result.samples },
      report: best.result.report,
      text: lines.join('\n'),
      ui: { text: lines, heddle_settings: [{ input: 'cache', values: { [knob.name]: best.value } }] },
    }
  },
})

const samplesOf = ({ latent_image }: Values<typeof inputs>): number => latent_image.samples.shape[0] ?? 1
