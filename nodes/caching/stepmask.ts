/** StepMask: a schedule fixed before the run says which steps are computed: the baseline that any method has to beat. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type RunFacts,
} from '../../diffusion/caching/contract.ts'
import {
  forecastValue,
  learn,
  ResidualEstimator,
  type Differences,
  type Forecast,
} from '../../diffusion/caching/estimators.ts'
import { forcedBecause } from '../../diffusion/caching/forcing.ts'
import { evenly, everyNth, fromRuns, parseSteps, STEP_COMPUTATION_MASKS } from '../../diffusion/caching/masks.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, int, text, type Values } from '../spec.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  mode: choice(['interval', 'evenly', 'list', 'scm-slow', 'scm-medium', 'scm-fast', 'scm-ultra'], {
    default: 'interval',
    help:
      "Where the computed steps lie: every interval-th, count of them evenly, those of the list, or one of cache-dit's step masks (18, 15, 11 and 8 of 28 steps; other " +
      'lengths are stretched in proportion). CalibrateMask finds the best list for a model. The first is always computed.',
  }),
  ...switchKnobs,
  interval: int({
    default: 2,
    min: 1,
    max: 1000,
    help: 'With interval: every so many evaluations one is computed; 1 is off, 3 costs a third.',
  }),
  count: int({
    default: 10,
    min: 1,
    max: 10000,
    help: 'With evenly: how many evaluations are computed; each costs a whole run of the model.',
  }),
  steps: text({
    default: '0,1,2,4,6,9,12,17,24,28',
    help: "With list: the computed evaluations, from 0, as '0,1,2,5-8'. A list belongs to one model, number of steps and time shift.",
  }),
  reuse: choice(['residual', 'prediction'], {
    default: 'residual',
    help: "What a skip carries on: what all blocks add to the tokens of now (runs embedding and head), or the prediction itself (runs nothing, any model); the second is a multistep solver on the mask's steps.",
  }),
  ...windowKnobs,
  ...forecastKnobs,
}

export type StepMaskParams = Values<typeof inputs>

/** The evaluations of a run of `total` that the mask computes. */
export function maskOf(params: StepMaskParams, total: number): ReadonlySet<number> {
  const { mode } = params
  if (mode === 'interval') return new Set(everyNth(total, params.interval))
  if (mode === 'evenly') return new Set(evenly(total, Math.min(params.count, total)))
  if (mode === 'list') return new Set(parseSteps(params.steps).steps)
  const name = mode.slice('scm-'.length) as keyof typeof STEP_COMPUTATION_MASKS
  return new Set(fromRuns(STEP_COMPUTATION_MASKS[name], total))
}

const isOff = ({ enabled, mode, interval }: StepMaskParams): boolean =>
  !enabled || (mode === 'interval' && interval === 1)

/** What a branch carries from its computed evaluations to the others. */
interface Carrier {
  readonly ready: boolean
  compute(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor>
  estimate(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor>
}

/** Carries what the blocks add to the image tokens. */
class ResidualCarrier implements Carrier {
  readonly #estimator: ResidualEstimator

  constructor(forecast: Forecast) {
    this.#estimator = new ResidualEstimator(forecast, 'image')
  }

  get ready(): boolean {
    return this.#estimator.ready
  }

  async compute(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor> {
    const input = await denoiser.embed(call, branch)
    const output = await denoiser.blocks(input, 0, denoiser.facts.depth)
    this.#estimator.learn(call, input, output)
    return denoiser.head(output)
  }

  async estimate(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor> {
    return denoiser.head(this.#estimator.estimate(call, await denoiser.embed(call, branch)))
  }
}

/** Carries the prediction; a copy is kept, as the runtime may write its buffers again. */
class PredictionCarrier implements Carrier {
  readonly #forecast: Forecast
  #known: Differences | null = null

  constructor(forecast: Forecast) {
    this.#forecast = forecast
  }

  get ready(): boolean {
    return this.#known !== null
  }

  async compute(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor> {
    const prediction = await denoiser.predict(call, branch)
    const copy = { data: prediction.data.slice(), shape: prediction.shape }
    this.#known = learn(this.#known, call, copy, this.#forecast)
    return prediction
  }

  estimate(call: Call): Promise<Tensor> {
    if (!this.#known) return Promise.reject(new Error('StepMask: expected a computed evaluation before a skip'))
    return Promise.resolve(forecastValue(this.#known, call, this.#forecast))
  }
}

interface State {
  /** Made at the first evaluation, which knows how many there will be. */
  mask: ReadonlySet<number> | null
  readonly carriers: PerBranch<Carrier>
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  state: State,
  params: StepMaskParams,
): Promise<Evaluated> {
  const carrier = state.carriers.of(branch)
  const { force_last: forceLast, start, end } = params
  const forced = forcedBecause(call, branch, { warmUp: 0, warmUpRule: 'before', forceLast, start, end })
  const mask = (state.mask ??= maskOf(params, call.total))
  if (forced === null && carrier.ready && !mask.has(call.index))
    return { prediction: await carrier.estimate(call, branch, denoiser), trace: { decision: 'skipped' } }
  const why = forced ?? (mask.has(call.index) ? null : 'no-anchor')
  const prediction = await carrier.compute(call, branch, denoiser)
  return { prediction, trace: { decision: 'full', ...(why === null ? {} : { forced: why }) } }
}

/** What a list says of a run that it was not made for. */
function cautions(params: StepMaskParams, run: RunFacts | undefined): string[] {
  if (isOff(params) || params.mode !== 'list' || !run) return []
  const { steps } = parseSteps(params.steps)
  const last = steps.at(-1)
  const lastStep = run.sigmas.length - 2
  return last !== undefined && last > lastStep && run.sampler === 'euler'
    ? [
        `StepMask: the list goes to ${last}, the run to ${lastStep}; a list made for more steps leaves the end uncomputed`,
      ]
    : []
}

export const stepMask: CacheMethod<StepMaskParams, State> = {
  id: 'StepMask',
  needs: (params, { depth }) => (isOff(params) || params.reuse === 'prediction' ? {} : { cuts: [0, depth] }),
  cautions: (params, _, run) => cautions(params, run),
  start(params) {
    const forecast = forecastOf(params)
    const make = () => (params.reuse === 'residual' ? new ResidualCarrier(forecast) : new PredictionCarrier(forecast))
    return { mask: null, carriers: new PerBranch(make) }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state, params),
    ),
}

export default defineNode({
  type: 'StepMask',
  category: 'caching',
  help: 'Computes the steps of a fixed schedule and carries the result over the others: the honest baseline of every caching method. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate({ start, end, steps, mode }) {
    const { faults, steps: read } = parseSteps(steps ?? '')
    const empty = mode === 'list' && steps !== undefined && read.length === 0 && faults.length === 0
    const said = empty ? ['expected at least one step, as in 0,1,2,5-8'] : faults
    const found = { ...windowFaults(start, end), ...(said.length > 0 ? { steps: said.join('; ') } : {}) }
    return Object.keys(found).length > 0 ? found : undefined
  },
  run: (values) => ({ CACHE: configure(stepMask, values) }),
})
