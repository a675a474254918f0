/** ForecastCache: skipped steps step with a forecast of the velocity, and are mended in hindsight; no part of the model is needed. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheConfiguration,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type RunFacts,
  type Trace,
} from '../../diffusion/caching/contract.ts'
import { Corrector } from '../../diffusion/caching/corrector.ts'
import { PredictionEstimator } from '../../diffusion/caching/estimators.ts'
import { forcedBecause } from '../../diffusion/caching/forcing.ts'
import { lerp, sub, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, float, int, toggle, type Values } from '../spec.ts'
import { isWorthCorrecting, uncorrectable } from './forecasting/correcting.ts'
import { followed, gateFor, type Gate } from './forecasting/gates.ts'
import { maskCautions, maskFaults, maskKnobs, maskMode, maskOf, type MaskKnobs } from './knobs/mask.ts'
import { forecastKnobsFrom, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  when: choice(['controller', 'mask', 'drift'], {
    default: 'controller',
    help: 'Which steps are computed: those that the error of the last forecast asks for (no calibration, any model), those of a mask, or those at which the method wired to decides computes, probe and all.',
  }),
  ...switchKnobs,
  tau: float({
    default: 0.018,
    min: 0,
    max: 10,
    step: 0.001,
    round: 0.0001,
    help: 'With controller: what skipped steps may leave in the latent, for 30 steps; it goes with (30 / steps)^2. Higher is faster and less faithful; 0 is off. 0.012 computes about 0.47, 0.018 0.42, 0.028 0.36 and 0.045 0.32 of heddle-flux-mini.',
  }),
  mask: maskMode('calibrated'),
  ...maskKnobs,
  decides: port('CACHE', {
    optional: true,
    help: 'With drift: a method whose decisions are followed. What it spends to decide is spent; what it would have used is not.',
  }),
  ...forecastKnobsFrom({ order: 1, axis: 'sigma', reach: 0.5 }),
  corrector: choice(['auto', 'on', 'off'], {
    default: 'auto',
    help: 'Mend the skipped steps once the next one is computed; costs nothing. auto: where ten or more steps are computed (with controller and drift: of 30 steps or more) and the sampler is euler or ddim. Other samplers take only forecasts, and on is refused.',
  }),
  uncond_every: int({
    default: 1,
    min: 1,
    max: 100,
    help: 'The unconditional branch is computed at every so many of the computed steps only, and forecast at the others. 2 saves a quarter of what is left.',
  }),
  ...windowKnobs,
  force_last: toggle({
    default: false,
    help: 'Always compute the last evaluation; it is short, and a mask knows better where to compute.',
  }),
}

type Inputs = Values<typeof inputs>
/** `decides` is the class name of the method that decides, '' for none. */
export type ForecastCacheParams = Omit<Inputs, 'decides'> & { readonly decides: string }

const knobsOf = (params: ForecastCacheParams): MaskKnobs => ({ ...params, mode: params.mask })

function isOff({ enabled, when, tau, mask, interval, uncond_every: uncondEvery }: ForecastCacheParams): boolean {
  const everyStep = when === 'mask' && mask === 'interval' && interval === 1 && uncondEvery === 1
  return !enabled || everyStep || (when === 'controller' && tau === 0)
}

function isCorrected(params: ForecastCacheParams, run: RunFacts | undefined): boolean {
  if (params.corrector !== 'auto') return params.corrector === 'on'
  return isWorthCorrecting(run, params.when === 'mask' ? computedBy(params, run) : null)
}

/** Steps that the mask computes. */
function computedBy(params: ForecastCacheParams, run: RunFacts | undefined): number {
  const steps = (run?.sigmas.length ?? 1) - 1
  return [...maskOf('ForecastCache', knobsOf(params), steps, run)].filter((step) => step < steps).length
}

/** What one branch knows of its own predictions. */
class Track {
  readonly #estimator: PredictionEstimator
  readonly #corrector: Corrector | null

  constructor(estimator: PredictionEstimator, corrector: Corrector | null) {
    this.#estimator = estimator
    this.#corrector = corrector
  }

  get ready(): boolean {
    return this.#estimator.ready
  }

  forecast(call: Call): Tensor {
    const forecast = this.#estimator.estimate(call)
    this.#corrector?.skipped(call, forecast)
    return forecast
  }

  /** Takes in what the model predicted; gives what to step with, and what the forecast had missed, null if there was none. */
  learn(call: Call, prediction: Tensor): { readonly stepped: Tensor; readonly missed: Tensor | null } {
    const missed = this.ready ? sub(prediction, this.#estimator.estimate(call)) : null
    const kept = this.#estimator.learn(call, prediction)
    if (!this.ready) this.#corrector?.forget()
    const corrected = this.ready ? (this.#corrector?.computed(call, kept) ?? kept) : kept
    return { stepped: corrected === kept ? prediction : corrected, missed }
  }
}

interface State {
  readonly gate: Gate
  readonly tracks: PerBranch<Track>
  /** Steps computed so far. */
  computed: number
}

/** Root mean square of what the guided forecast missed; a branch that was not computed missed nothing that is known. Null with none. */
function guidedError(call: Call, missed: ReadonlyMap<Branch, Tensor | null>): number | null {
  const known = [...missed.values()].find((one) => one !== null)
  if (!known) return null
  const of = (branch: Branch): Tensor => missed.get(branch) ?? zeros(known.shape)
  const all = call.branches.includes('uncond') ? lerp(of('uncond'), of('cond'), call.guidance) : of('cond')
  return Math.sqrt(all.data.reduce((sum, value) => sum + value * value, 0) / all.data.length)
}

async function evaluate(call: Call, denoiser: Denoiser, state: State, params: ForecastCacheParams) {
  const { gate, tracks } = state
  const forced = forcedBecause(call, 'cond', {
    ...params,
    warmUp: 0,
    warmUpRule: 'before',
    forceLast: params.force_last,
  })
  const asked = await gate.ask(call, denoiser, forced !== null)
  const isUncondsTurn = state.computed % params.uncond_every === 0
  const missed = new Map<Branch, Tensor | null>()
  const answer = async (branch: Branch): Promise<Evaluated> => {
    const track = tracks.of(branch)
    const { computes, prediction: given, trace } = asked(branch)
    const waits = branch === 'uncond' && forced === null && !isUncondsTurn
    if (track.ready && (!computes || waits))
      return { prediction: track.forecast(call), trace: { ...trace, decision: 'skipped' } }
    const prediction = given ?? (await denoiser.predict(call, branch))
    const learnt = track.learn(call, prediction)
    missed.set(branch, learnt.missed)
    const why = forced ?? (computes ? null : 'no-anchor')
    const full: Trace = { ...trace, decision: 'full', ...(why !== null && { forced: why }) }
    return { prediction: learnt.stepped, trace: full }
  }
  const answers = await Promise.all(call.branches.map(async (branch) => [branch, await answer(branch)] as const))
  if (missed.size > 0) {
    state.computed++
    gate.computed(call, guidedError(call, missed))
  }
  return new Map(answers)
}

/** The method; `decides` is whose decisions `when: drift` follows. */
export function forecastCache(decides: CacheConfiguration | null): CacheMethod<ForecastCacheParams, State | null> {
  return {
    id: 'ForecastCache',
    needs(params, facts, run) {
      if (isOff(params)) return {}
      const why = params.corrector === 'on' ? uncorrectable(run) : null
      if (why !== null) throw new UnmetNeedsError(`ForecastCache, corrector: ${why}`)
      if (params.when === 'mask') computedBy(params, run)
      return params.when === 'drift' ? followed(decides).needs(facts, run) : {}
    },
    cautions: (params, _, run) => cautionsOf(params, run),
    start(params, facts, run) {
      if (isOff(params)) return null
      const [forecast, corrected] = [forecastOf(params), isCorrected(params, run)]
      const make = () => new Track(new PredictionEstimator(forecast), corrected ? new Corrector() : null)
      return { gate: gateFor(params, knobsOf(params), decides, facts, run), tracks: new PerBranch(make), computed: 0 }
    },
    evaluate: (call, denoiser, state, params) =>
      state ? evaluate(call, denoiser, state, params) : eachBranch(call, (branch) => inFull(denoiser, call, branch)),
  }
}

function cautionsOf(params: ForecastCacheParams, run: RunFacts | undefined): string[] {
  if (isOff(params) || !run) return []
  const strange = params.when === 'controller' && run.predicts !== undefined && run.predicts !== 'flow'
  return [
    ...(params.when === 'mask' ? maskCautions('ForecastCache', knobsOf(params), run) : []),
    ...(strange ? [`ForecastCache: tau was found on flow models; this one predicts ${run.predicts ?? ''}`] : []),
  ]
}

export default defineNode({
  type: 'ForecastCache',
  category: 'caching',
  title: 'Forecast Cache',
  help:
    'Computes some steps and forecasts the guided velocity at the others, a capped line through the last two computed ones; then mends those steps when the next is computed. No probe, no hidden states, ' +
    'any model. Honestly said: the velocity held is Euler on an uneven grid, the uncapped line the two-step Adams-Bashforth method (sampler ab2) on it. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate(values) {
    const mask = maskFaults({ ...values, ...(values.mask !== undefined && { mode: values.mask }) })
    const found = { ...windowFaults(values.start, values.end), ...(values.when === 'mask' ? mask : {}) }
    return Object.keys(found).length > 0 ? found : undefined
  },
  run: ({ decides = null, ...values }) => ({
    CACHE: configure(forecastCache(decides), { ...values, decides: decides?.method ?? '' }),
  }),
})
