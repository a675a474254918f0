/** SenCache (arXiv 2602.24208): skips while latent and timestep are so near the last computed ones that the output can hardly have moved. */
import { z } from 'zod'
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import { roundHalfEven, SenCacheCalibration } from '../../diffusion/caching/calibration.ts'
import {
  configure,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Hidden,
  type RunFacts,
} from '../../diffusion/caching/contract.ts'
import {
  forecastValue,
  learn,
  REUSE,
  ResidualEstimator,
  type Differences,
  type Forecast,
} from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { calibrationInputs, faultsOf } from './calibration/inputs.ts'
import { cautionsOf, chooseTable, readTables } from './calibration/tables.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowKnobs } from './knobs/residual.ts'

// The authors publish no curves, so no table has settings of theirs.
const TABLES = readTables('sencache', { calibration: SenCacheCalibration, official: z.never(), paper: z.never() })

const inputs = {
  preset: choice(['custom', 'paper', 'official'], {
    default: 'custom',
    help:
      'custom uses the knobs below. official is the WAN2.1 script of the authors (0.005 early, 0.07 later, at most 10 in a row), ' +
      'paper their text (0.01 and 0.1, at most 2, whole outputs reused); the paper does not say in which unit, here that of the script.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.4,
    min: 0,
    max: 100,
    step: 0.01,
    round: 0.0001,
    help: 'Expected change of the output, root mean square per value, at which everything is computed again. Higher is faster and less faithful; 0 is off. 0.4 was tuned on the shipped model at 30 steps; fewer steps want more.',
  }),
  early_threshold: float({
    default: 0.1,
    min: 0,
    max: 100,
    step: 0.01,
    round: 0.0001,
    help: 'The same for the early evaluations, where the layout is settled: lower keeps it. 0 computes all of them.',
  }),
  early: float({
    default: 0.2,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that counts as early.',
  }),
  max_skips: int({
    default: 3,
    min: 1,
    max: 100,
    help: 'Most evaluations skipped in a row. The authors found nothing gained beyond 4, and pictures getting worse.',
  }),
  reuse: choice(['residual', 'output'], {
    default: 'residual',
    help: 'What a skip reuses: what the blocks added to the tokens (as released), or the prediction itself (as in the paper), which saves the head too and costs fidelity.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
  ...calibrationInputs('SenCache', TABLES),
}

export type SenCacheParams = Values<typeof inputs>

/** Everything a preset fixes. */
interface Rules extends Forcing {
  readonly forecast: Forecast
  readonly threshold: number
  readonly earlyThreshold: number
  readonly early: number
  readonly comparison: 'below' | 'at-most'
  readonly maxSkips: number
  readonly reuse: SenCacheParams['reuse']
}

const custom = (params: SenCacheParams): Rules => ({
  threshold: params.threshold,
  earlyThreshold: params.early_threshold,
  early: params.early,
  comparison: 'below',
  maxSkips: params.max_skips,
  reuse: params.reuse,
  warmUp: 1,
  warmUpRule: 'count',
  forecast: forecastOf(params),
  forceLast: params.force_last,
  start: params.start,
  end: params.end,
})

const OFFICIAL: Rules = {
  threshold: 0.07,
  earlyThreshold: 0.005,
  early: 0.2,
  comparison: 'below',
  maxSkips: 10,
  reuse: 'residual',
  forecast: REUSE,
  warmUp: 1,
  warmUpRule: 'count',
  forceLast: true,
  start: 0,
  end: 1,
}

const PAPER: Rules = {
  ...OFFICIAL,
  threshold: 0.1,
  earlyThreshold: 0.01,
  comparison: 'at-most',
  maxSkips: 2,
  reuse: 'output',
  forceLast: false,
}

const rulesOf = (params: SenCacheParams): Rules =>
  params.preset === 'custom' ? custom(params) : params.preset === 'paper' ? PAPER : OFFICIAL

/** Where a branch was last computed, and how sensitive the model is there. */
interface Reference {
  readonly latent: Tensor
  readonly timestep: number
  /** Movement of the output per movement of the latent, and per timestep. */
  readonly latentSensitivity: number
  readonly timeSensitivity: number
}

interface BranchState {
  readonly residual: ResidualEstimator
  /** Learnt only where outputs are reused. */
  output: Differences | null
  reference: Reference | null
  skips: number
}

/** Null while the method is switched off. */
type State = {
  readonly rules: Rules
  readonly table: SenCacheCalibration
  readonly branches: PerBranch<BranchState>
} | null

/** The point of the curves nearest in sigma; of two equally near ones the first. */
function referenceAt(call: Call, { sigmas, latent, time }: SenCacheCalibration): Reference {
  const distances = sigmas.map((sigma) => Math.abs(sigma - call.sigma))
  const nearest = distances.indexOf(Math.min(...distances))
  return {
    latent: { ...call.latent, data: call.latent.data.slice() },
    timestep: call.timestep,
    latentSensitivity: latent[nearest]!,
    timeSensitivity: time[nearest]!,
  }
}

/** Euclidean distance of two tensors of one size. */
function distance({ data: a }: Tensor, { data: b }: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2
  return Math.sqrt(sum)
}

/**
 * How far the output may have moved since the reference, root mean square per value of the latent:
 * (J_z |z - z_r| + J_t |t - t_r|) / sqrt(values). The authors multiply their thresholds by that root instead.
 */
function movement(call: Call, { latent, timestep, latentSensitivity, timeSensitivity }: Reference): number {
  const moved = latentSensitivity * distance(call.latent, latent) + timeSensitivity * Math.abs(call.timestep - timestep)
  return moved / Math.sqrt(call.latent.data.length)
}

/** Early evaluations are counted over the calls of all branches in turn, as in the WAN script. */
const thresholdAt = ({ index, total, branches: { length } }: Call, rules: Rules): number =>
  index * length < roundHalfEven(rules.early * total * length) ? rules.earlyThreshold : rules.threshold

const mayReuse = (call: Call, moved: number, skips: number, rules: Rules): boolean =>
  skips < rules.maxSkips &&
  (rules.comparison === 'below' ? moved < thresholdAt(call, rules) : moved <= thresholdAt(call, rules))

/** Why a branch has to be computed whatever its sensitivities say, or how far its output may have moved. */
function judge(call: Call, branch: Branch, state: BranchState, rules: Rules) {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return { forced }
  const known = rules.reuse === 'output' ? state.output !== null : state.residual.ready
  if (!state.reference || !known) return { forced: 'no-anchor' }
  const moved = movement(call, state.reference)
  return Number.isFinite(moved) ? { drift: moved, accumulated: moved } : { forced: 'non-finite' }
}

async function compute(call: Call, denoiser: Denoiser, input: Hidden, state: BranchState, known: NonNullable<State>) {
  const output = await denoiser.blocks(input, 0, denoiser.facts.depth)
  const prediction = await denoiser.head(output)
  if (known.rules.reuse === 'residual') state.residual.learn(call, input, output)
  else state.output = learn(state.output, call, { ...prediction, data: prediction.data.slice() }, known.rules.forecast)
  state.reference = referenceAt(call, known.table)
  state.skips = 0
  return prediction
}

async function answer(call: Call, branch: Branch, denoiser: Denoiser, known: NonNullable<State>): Promise<Evaluated> {
  const { rules } = known
  const state = known.branches.of(branch)
  const verdict = judge(call, branch, state, rules)
  const skips = 'drift' in verdict && mayReuse(call, verdict.drift, state.skips, rules)
  if (skips) state.skips++
  if (skips && state.output)
    return { prediction: forecastValue(state.output, call, rules.forecast), trace: { decision: 'skipped', ...verdict } }
  const input = await denoiser.embed(call, branch)
  if (!skips)
    return { prediction: await compute(call, denoiser, input, state, known), trace: { decision: 'full', ...verdict } }
  const prediction = await denoiser.head(state.residual.estimate(call, input))
  return { prediction, trace: { decision: 'skipped', ...verdict } }
}

const isOff = ({ enabled, threshold }: SenCacheParams): boolean => !enabled || threshold === 0

const tableFor = (params: SenCacheParams, run?: RunFacts) =>
  chooseTable('SenCache', TABLES, SenCacheCalibration, params, run)

export const sencache: CacheMethod<SenCacheParams, State> = {
  id: 'SenCache',
  needs(params, { depth }, run) {
    if (isOff(params)) return {}
    tableFor(params, run)
    return { cuts: [0, depth] }
  },
  cautions(params, _, run) {
    if (isOff(params)) return []
    return cautionsOf('SenCache', tableFor(params, run), 'it goes by the nearest noise level that it knows', run)
  },
  start(params, _, run) {
    if (isOff(params)) return null
    const rules = rulesOf(params)
    const fresh = (): BranchState => ({
      residual: new ResidualEstimator(rules.forecast, 'image'),
      ...{ output: null, reference: null, skips: 0 },
    })
    const table = tableFor(params, run).calibration
    return { rules, table, branches: new PerBranch(fresh) }
  },
  evaluate: (call, denoiser, state) =>
    eachBranch(call, async (branch) =>
      state ? answer(call, branch, denoiser, state) : inFull(denoiser, call, branch),
    ),
}

export default defineNode({
  type: 'SenCache',
  category: 'caching',
  help: 'Skips whole evaluations by curves that say how sensitive this model is to its latent and to its timestep; both guidance branches, which share them, are skipped together. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: (values) => faultsOf(values, SenCacheCalibration, 'SenCache'),
  run: (values) => ({ CACHE: configure(sencache, values) }),
})
