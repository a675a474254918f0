/** TeaCache (arXiv 2411.19108): skips while the change of the first block's input, turned into one of the output by a polynomial, adds up to little. */
import { z } from 'zod'
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import { TeaCacheCalibration, type Signal } from '../../diffusion/caching/calibration.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Hidden,
  type RunFacts,
} from '../../diffusion/caching/contract.ts'
import { REUSE, ResidualEstimator, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { meanAbs, relativeL1, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { calibrationInputs, faultsOf } from './calibration/inputs.ts'
import { cautionsOf, chooseTable, readTables, type Table } from './calibration/tables.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowKnobs } from './knobs/residual.ts'

/** The settings of one of the authors' scripts. */
const Official = z.strictObject({
  threshold: z.number().positive(),
  /** Evaluations that are always computed at the start: their number, or their share. */
  forcedFirst: z.int().optional(),
  forcedShare: z.number().optional(),
  forceLast: z.boolean(),
})
const Paper = z.strictObject({ threshold: z.number().positive() })

type TeaCacheTable = Table<TeaCacheCalibration, z.infer<typeof Official>, z.infer<typeof Paper>>
const TABLES = readTables('teacache', { calibration: TeaCacheCalibration, official: Official, paper: Paper })

/** The tap of the model that gives a signal. */
export const TAPS: Readonly<Record<Signal, string>> = {
  'modulated input': 'modulated',
  'time embedding': 'temb',
  'time projection': 'projected temb',
}

const inputs = {
  preset: choice(['custom', 'paper', 'official'], {
    default: 'custom',
    help:
      'custom uses the knobs below. official is what the authors released for the model of the table: their threshold, first and ' +
      'last evaluation computed, the polynomial believed wherever it leads. paper is their text, which wants the modulated input as its ' +
      'signal. Both take the threshold from the knob where the authors name none.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.12,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'Summed expected change of the output at which everything is computed again. Higher is faster and less faithful; 0 is off. 0.12 was tuned on the shipped model at 30 steps; FLUX.1-dev was published with 0.25 (1.5x) to 0.8 (2.25x).',
  }),
  max_skips: int({
    default: 4,
    min: 1,
    max: 100,
    help: 'Most evaluations skipped in a row, whatever the polynomial says: a bad fit then costs fidelity, not the picture.',
  }),
  warm_up: float({
    default: 0.2,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
  ...calibrationInputs('TeaCache', TABLES),
}

export type TeaCacheParams = Values<typeof inputs>

/** Everything a preset fixes. */
interface Rules extends Forcing {
  readonly forecast: Forecast
  readonly threshold: number
  readonly maxSkips: number
  /** Whether the polynomial is believed where it was not fitted and where it is not positive. */
  readonly believed: boolean
}

const custom = (params: TeaCacheParams): Rules => ({
  threshold: params.threshold,
  maxSkips: params.max_skips,
  believed: false,
  warmUp: params.warm_up,
  warmUpRule: 'before-rounded',
  forecast: forecastOf(params),
  forceLast: params.force_last,
  start: params.start,
  end: params.end,
})

/** The authors' loop on the models that they released nothing for: as on FLUX.1-dev. */
const published = (params: TeaCacheParams): Rules => ({
  threshold: params.threshold,
  maxSkips: Infinity,
  believed: true,
  forecast: REUSE,
  warmUp: 1,
  warmUpRule: 'count',
  forceLast: true,
  start: 0,
  end: 1,
})

function official(params: TeaCacheParams, table: TeaCacheTable): Rules {
  if (!table.official) return published(params)
  const { threshold, forcedFirst = 1, forcedShare, forceLast } = table.official
  const warmUp = forcedShare ?? forcedFirst
  return {
    ...published(params),
    threshold,
    forceLast,
    warmUp,
    warmUpRule: forcedShare === undefined ? 'count' : 'before',
  }
}

const paper = (params: TeaCacheParams, table: TeaCacheTable): Rules => ({
  ...published(params),
  threshold: table.paper?.threshold ?? params.threshold,
  forceLast: false,
})

const PRESETS: Readonly<Record<TeaCacheParams['preset'], (params: TeaCacheParams, table: TeaCacheTable) => Rules>> = {
  custom,
  paper,
  official,
}

/** State of one guidance branch; sum and skips are those since the last computed evaluation. */
interface BranchState {
  readonly residual: ResidualEstimator
  /** The signal of the evaluation before, computed or skipped. */
  before: { readonly index: number; readonly signal: Tensor } | null
  sum: number
  skips: number
}

/** Null while the method is switched off. */
type State = {
  readonly rules: Rules
  readonly table: TeaCacheCalibration
  readonly branches: PerBranch<BranchState>
} | null

/** The polynomial's value, coefficients highest power first. */
export const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)

/**
 * The expected change of the output for a change of the signal; null where the polynomial says nothing: above what it was
 * fitted on, or where it is not positive. Below the fit its lower end counts.
 */
function expectedChange(
  change: number,
  { coefficients, range }: TeaCacheCalibration,
  { believed }: Rules,
): number | null {
  if (believed) return polynomial(coefficients, change)
  if (range && change > range[1]) return null
  const value = polynomial(coefficients, range ? Math.max(change, range[0]) : change)
  return value > 0 ? value : null
}

/** Why a branch has to be computed, or how much its output should have moved in all. */
function judge(call: Call, branch: Branch, signal: Tensor, state: BranchState, { rules, table }: NonNullable<State>) {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return { forced }
  if (state.before?.index !== call.index - 1 || !state.residual.ready) return { forced: 'no-anchor' }
  const change = relativeL1(signal, state.before.signal)
  if (!Number.isFinite(change)) return { forced: 'non-finite' }
  const drift = expectedChange(change, table, rules)
  return drift === null ? { forced: 'out of the fit' } : { drift, accumulated: state.sum + drift }
}

/** A copy, so that no buffer of the runtime is kept; null when it is not finite, so that nothing is compared with it. */
const remember = ({ index }: Call, { data, shape }: Tensor): BranchState['before'] => {
  const signal = { data: data.slice(), shape }
  return Number.isFinite(meanAbs(signal)) ? { index, signal } : null
}

async function compute(call: Call, denoiser: Denoiser, input: Hidden, state: BranchState): Promise<Tensor> {
  const output = await denoiser.blocks(input, 0, denoiser.facts.depth)
  state.residual.learn(call, input, output)
  Object.assign(state, { sum: 0, skips: 0 })
  return denoiser.head(output)
}

async function answer(call: Call, branch: Branch, denoiser: Denoiser, known: NonNullable<State>): Promise<Evaluated> {
  const { rules, table, branches } = known
  const state = branches.of(branch)
  const input = await denoiser.embed(call, branch)
  const signal = await denoiser.tap(input, TAPS[table.signal])
  const verdict = judge(call, branch, signal, state, known)
  state.before = remember(call, signal)
  if (verdict.accumulated === undefined || verdict.accumulated >= rules.threshold || state.skips >= rules.maxSkips)
    return { prediction: await compute(call, denoiser, input, state), trace: { decision: 'full', ...verdict } }
  state.sum = verdict.accumulated
  state.skips++
  const prediction = await denoiser.head(state.residual.estimate(call, input))
  return { prediction, trace: { decision: 'skipped', ...verdict } }
}

const isOff = ({ enabled, threshold }: TeaCacheParams): boolean => !enabled || threshold === 0

function tableFor(params: TeaCacheParams, run?: RunFacts): TeaCacheTable {
  const table = chooseTable('TeaCache', TABLES, TeaCacheCalibration, params, run)
  const { model, signal } = table.calibration
  if (params.preset === 'paper' && signal !== 'modulated input')
    throw new UnmetNeedsError(
      `TeaCache: the paper's signal is the modulated input, the polynomial of ${model} is one of the ${signal}. Take the preset official, or calibrate.`,
    )
  return table
}

export const teacache: CacheMethod<TeaCacheParams, State> = {
  id: 'TeaCache',
  needs(params, { depth }, run) {
    if (isOff(params)) return {}
    return { cuts: [0, depth], taps: [TAPS[tableFor(params, run).calibration.signal]] }
  },
  cautions(params, _, run) {
    if (isOff(params)) return []
    return cautionsOf('TeaCache', tableFor(params, run), 'changes beyond those it has seen are computed', run)
  },
  start(params, _, run) {
    if (isOff(params)) return null
    const table = tableFor(params, run)
    const rules = PRESETS[params.preset](params, table)
    const fresh = (): BranchState => ({
      residual: new ResidualEstimator(rules.forecast, 'image'),
      ...{ before: null, sum: 0, skips: 0 },
    })
    return { rules, table: table.calibration, branches: new PerBranch(fresh) }
  },
  evaluate: (call, denoiser, state) =>
    eachBranch(call, async (branch) =>
      state ? answer(call, branch, denoiser, state) : inFull(denoiser, call, branch),
    ),
}

export default defineNode({
  type: 'TeaCache',
  category: 'caching',
  help: "Skips whole evaluations while what enters the first block, mapped by this model's polynomial, says that the output has hardly moved. Costs next to nothing at a skip. Connect it to a sampler.",
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: (values) => faultsOf(values, TeaCacheCalibration, 'TeaCache'),
  run: (values) => ({ CACHE: configure(teacache, values) }),
})
