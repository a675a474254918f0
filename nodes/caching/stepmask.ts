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
import { PredictionEstimator, ResidualEstimator, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause } from '../../diffusion/caching/forcing.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, type Values } from '../spec.ts'
import { maskCautions, maskFaults, maskKnobs, maskMode, maskOf } from './knobs/mask.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  mode: maskMode('interval'),
  ...switchKnobs,
  ...maskKnobs,
  reuse: choice(['residual', 'prediction'], {
    default: 'residual',
    help: "What a skip carries on: what all blocks add to the tokens of now (runs embedding and head), or the prediction itself (runs nothing, any model); the second is a multistep solver on the mask's steps, which ForecastCache does better.",
  }),
  ...windowKnobs,
  ...forecastKnobs,
}

export type StepMaskParams = Values<typeof inputs>

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

/** Carries the prediction. */
class PredictionCarrier implements Carrier {
  readonly #estimator: PredictionEstimator

  constructor(forecast: Forecast) {
    this.#estimator = new PredictionEstimator(forecast)
  }

  get ready(): boolean {
    return this.#estimator.ready
  }

  async compute(call: Call, branch: Branch, denoiser: Denoiser): Promise<Tensor> {
    const prediction = await denoiser.predict(call, branch)
    this.#estimator.learn(call, prediction)
    return prediction
  }

  estimate(call: Call): Promise<Tensor> {
    return Promise.resolve(this.#estimator.estimate(call))
  }
}

interface State {
  readonly run: RunFacts | undefined
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
  const mask = (state.mask ??= maskOf('StepMask', params, call.total, state.run))
  if (forced === null && carrier.ready && !mask.has(call.index))
    return { prediction: await carrier.estimate(call, branch, denoiser), trace: { decision: 'skipped' } }
  const why = forced ?? (mask.has(call.index) ? null : 'no-anchor')
  const prediction = await carrier.compute(call, branch, denoiser)
  return { prediction, trace: { decision: 'full', ...(why === null ? {} : { forced: why }) } }
}

export const stepMask: CacheMethod<StepMaskParams, State> = {
  id: 'StepMask',
  needs(params, { depth }, run) {
    if (isOff(params)) return {}
    if (params.mode === 'calibrated') maskOf('StepMask', params, (run?.sigmas.length ?? 1) - 1, run)
    return params.reuse === 'prediction' ? {} : { cuts: [0, depth] }
  },
  cautions: (params, _, run) => (isOff(params) ? [] : maskCautions('StepMask', params, run)),
  start(params, _, run) {
    const forecast = forecastOf(params)
    const make = () => (params.reuse === 'residual' ? new ResidualCarrier(forecast) : new PredictionCarrier(forecast))
    return { run, mask: null, carriers: new PerBranch(make) }
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
  validate(values) {
    const found = { ...windowFaults(values.start, values.end), ...maskFaults(values) }
    return Object.keys(found).length > 0 ? found : undefined
  },
  run: (values) => ({ CACHE: configure(stepMask, values) }),
})
