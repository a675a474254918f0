/** MagCache (arXiv 2506.09045): skips while the known growth of the residual, summed since the last computation, stays small. */
import { z } from 'zod'
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import { interpolate, MagCacheCalibration, roundHalfEven } from '../../diffusion/caching/calibration.ts'
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
import { REUSE, ResidualEstimator, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { calibrationInputs, faultsOf } from './calibration/inputs.ts'
import { cautionsOf, chooseTable, readTables, type Table } from './calibration/tables.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowKnobs } from './knobs/residual.ts'

const Paper = z.strictObject({
  threshold: z.number().positive(),
  maxSkips: z.int().min(1),
  /** The paper's run on WAN2.1-1.3B takes square roots of the ratios. */
  smoothing: z.enum(['none', 'square root']).default('none'),
})

/** The settings of one of the authors' scripts. */
const Official = z.strictObject({
  threshold: z.number().positive(),
  maxSkips: z.int().min(1),
  retention: z.number().min(0).max(1),
  rule: z.enum(['before', 'before-rounded', 'before-interleaved']),
  comparison: z.enum(['at-most', 'below']),
  /** An evaluation that is never skipped, by its index in a run of `of` evaluations. */
  banned: z.strictObject({ index: z.int(), of: z.int() }).optional(),
})

type MagCacheTable = Table<MagCacheCalibration, z.infer<typeof Official>, z.infer<typeof Paper>>
const TABLES = readTables('magcache', { calibration: MagCacheCalibration, official: Official, paper: Paper })

const inputs = {
  preset: choice(['custom', 'paper', 'official'], {
    default: 'custom',
    help:
      'custom uses the knobs below. paper and official are what the authors describe and what they released for the model of ' +
      'the table, the last evaluation not spared; they take threshold, max_skips and warm_up from the knobs where the authors name none.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.12,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'Summed error of the residual length at which everything is computed again. Higher is faster and less faithful; 0 is off. 0.12 was tried on the shipped model at 30 steps; FLUX.1-dev was published with 0.24, WAN2.1-1.3B with 0.12.',
  }),
  max_skips: int({
    default: 3,
    min: 1,
    max: 100,
    help: 'Most evaluations skipped in a row. The main gear: 2 is slow and faithful, 4 to 6 fast; the threshold is the fine tuning.',
  }),
  warm_up: float({
    default: 0.2,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  ratios: choice(['composed', 'nearest'], {
    default: 'composed',
    help: 'How a table is read for other noise levels: composed multiplies the ratios that a step spans, nearest takes the entry at that place as the authors do, which counts too little where steps are fewer.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
  ...calibrationInputs('MagCache', TABLES),
}

export type MagCacheParams = Values<typeof inputs>

/** Everything a preset fixes. */
interface Rules extends Forcing {
  readonly forecast: Forecast
  readonly threshold: number
  readonly maxSkips: number
  readonly comparison: 'at-most' | 'below'
  readonly ratios: MagCacheParams['ratios']
  readonly smoothing: 'none' | 'square root'
  readonly banned: { readonly index: number; readonly of: number } | null
}

const custom = (params: MagCacheParams): Rules => ({
  threshold: params.threshold,
  maxSkips: params.max_skips,
  comparison: 'at-most',
  ratios: params.ratios,
  smoothing: 'none',
  banned: null,
  warmUp: params.warm_up,
  warmUpRule: 'before-rounded',
  forecast: forecastOf(params),
  forceLast: params.force_last,
  start: params.start,
  end: params.end,
})

const published = (params: MagCacheParams): Rules => ({
  ...custom(params),
  ratios: 'nearest',
  forecast: REUSE,
  forceLast: false,
  start: 0,
  end: 1,
})

function official(params: MagCacheParams, table: MagCacheTable): Rules {
  if (!table.official) return published(params)
  const { retention, rule, banned, ...numbers } = table.official
  return { ...published(params), ...numbers, banned: banned ?? null, warmUp: retention, warmUpRule: rule }
}

/** The paper's algorithm has no ban, and its warm-up is a plain share. */
const paper = (params: MagCacheParams, table: MagCacheTable): Rules => ({
  ...official(params, table),
  ...table.paper,
  comparison: 'at-most',
  warmUpRule: 'before',
  banned: null,
})

const PRESETS: Readonly<Record<MagCacheParams['preset'], (params: MagCacheParams, table: MagCacheTable) => Rules>> = {
  custom,
  paper,
  official,
}

/** State of one guidance branch; ratio, error and skips are those since the last computed evaluation. */
interface BranchState {
  readonly residual: ResidualEstimator
  seen: Call | null
  ratio: number
  error: number
  skips: number
}

/** Null while the method is switched off. */
type State = {
  readonly rules: Rules
  readonly table: MagCacheCalibration
  readonly branches: PerBranch<BranchState>
} | null

/** Logarithms of the residual's length at each evaluation of the table, relative to the first. */
function lengths(ratios: readonly number[]): readonly number[] {
  let sum = 0
  return ratios.map((ratio, i) => (i === 0 ? 0 : (sum += Math.log(ratio))))
}

/** How many times longer the residual should be than at the evaluation before, `from`. */
function growth(
  { ratios, conditions }: MagCacheCalibration,
  branch: Branch,
  from: Call,
  call: Call,
  rules: Rules,
): number {
  const table = ratios[branch] ?? ratios.cond
  const place = (index: number): number =>
    call.total > 1 ? (index * (table.length - 1)) / (call.total - 1) : table.length - 1
  if (rules.ratios === 'nearest') return table[roundHalfEven(place(call.index))]!
  const known = lengths(table)
  if (!conditions) {
    const places = known.map((_, i) => i)
    return Math.exp(interpolate(places, known, place(call.index)) - interpolate(places, known, place(from.index)))
  }
  const [rising, backwards] = [conditions.sigmas.toReversed(), known.toReversed()]
  return Math.exp(interpolate(rising, backwards, call.sigma) - interpolate(rising, backwards, from.sigma))
}

const isBanned = ({ index, total }: Call, { banned }: Rules): boolean =>
  banned !== null && total > 1 && roundHalfEven(index * ((banned.of - 1) / (total - 1))) === banned.index

/** Whether the sums, this evaluation included, allow a skip. */
const mayReuse = (call: Call, { error, skips }: BranchState, rules: Rules): boolean =>
  (rules.comparison === 'below' ? error < rules.threshold : error <= rules.threshold) &&
  skips <= rules.maxSkips &&
  !isBanned(call, rules)

async function compute(call: Call, denoiser: Denoiser, input: Hidden, state: BranchState) {
  const output = await denoiser.blocks(input, 0, denoiser.facts.depth)
  state.residual.learn(call, input, output)
  Object.assign(state, { ratio: 1, error: 0, skips: 0 })
  return denoiser.head(output)
}

/** Why a branch has to be computed whatever the table says; one that sat an evaluation out has lost count. */
function forcedOf(call: Call, branch: Branch, { residual, seen }: BranchState, rules: Rules): string | null {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return forced
  return residual.ready && seen?.index === call.index - 1 ? null : 'no-anchor'
}

/** Takes the step from `from` into the sums; what it adds and comes to. */
function advance(call: Call, branch: Branch, from: Call, state: BranchState, { rules, table }: NonNullable<State>) {
  const step = growth(table, branch, from, call, rules)
  state.ratio *= rules.smoothing === 'none' ? step : Math.sqrt(step)
  state.skips++
  const drift = Math.abs(1 - state.ratio)
  state.error += drift
  return { drift, accumulated: state.error }
}

async function answer(call: Call, branch: Branch, denoiser: Denoiser, known: NonNullable<State>): Promise<Evaluated> {
  const state = known.branches.of(branch)
  const forced = forcedOf(call, branch, state, known.rules)
  const measured =
    forced === null && state.seen ? advance(call, branch, state.seen, state, known) : { forced: forced ?? '' }
  state.seen = call
  const input = await denoiser.embed(call, branch)
  if ('forced' in measured || !mayReuse(call, state, known.rules))
    return { prediction: await compute(call, denoiser, input, state), trace: { decision: 'full', ...measured } }
  const prediction = await denoiser.head(state.residual.estimate(call, input))
  return { prediction, trace: { decision: 'skipped', ...measured } }
}

const isOff = ({ enabled, threshold }: MagCacheParams): boolean => !enabled || threshold === 0

const tableFor = (params: MagCacheParams, run?: RunFacts): MagCacheTable =>
  chooseTable('MagCache', TABLES, MagCacheCalibration, params, run)

export const magcache: CacheMethod<MagCacheParams, State> = {
  id: 'MagCache',
  needs(params, { depth }, run) {
    if (isOff(params)) return {}
    tableFor(params, run)
    return { cuts: [0, depth] }
  },
  cautions(params, _, run) {
    if (isOff(params)) return []
    const table = tableFor(params, run)
    const composed = PRESETS[params.preset](params, table).ratios === 'composed'
    const effect = composed
      ? 'its ratios are composed over the noise levels'
      : 'its ratios are taken at the nearest place'
    return cautionsOf('MagCache', table, effect, run)
  },
  start(params, _, run) {
    if (isOff(params)) return null
    const table = tableFor(params, run)
    const rules = PRESETS[params.preset](params, table)
    const fresh = (): BranchState => ({
      residual: new ResidualEstimator(rules.forecast, 'image'),
      ...{ seen: null, ratio: 1, error: 0, skips: 0 },
    })
    return { rules, table: table.calibration, branches: new PerBranch(fresh) }
  },
  evaluate: (call, denoiser, state) =>
    eachBranch(call, async (branch) =>
      state ? answer(call, branch, denoiser, state) : inFull(denoiser, call, branch),
    ),
}

export default defineNode({
  type: 'MagCache',
  category: 'caching',
  help: 'Skips whole evaluations by a table that says how fast the residual of this model grows or shrinks: nothing is measured, so the same steps are skipped for every prompt. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: (values) => faultsOf(values, MagCacheCalibration, 'MagCache'),
  run: (values) => ({ CACHE: configure(magcache, values) }),
})
