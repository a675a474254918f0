/** DBCache (cache-dit): the front blocks judge, the middle is run or estimated, the back blocks run every time. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
} from '../../diffusion/caching/contract.ts'
import { taylor, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { cutsFor, FrontBlocks, type Ends } from '../../diffusion/caching/front-blocks.ts'
import { parseSteps } from '../../diffusion/caching/masks.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, text, type Values } from '../spec.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'official', 'official-fast', 'official-taylorseer'], {
    default: 'custom',
    help:
      'custom uses the knobs below. official is cache-dit as it ships (F8B0 W8 R0.08), official-fast its quick setting for FLUX.1-dev (F4B0 W4 MC4 R0.12), ' +
      'official-taylorseer the first with a forecast of order 1. They override every knob but enabled and threshold 0, which is off, and want a model deeper than their front.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.1,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'R: how far what the front blocks add may move from the last computed evaluation, relatively. Higher is faster and less faithful; 0 is off, 1 and more always skips (as cache-dit has it).',
  }),
  front_blocks: int({
    default: 2,
    min: 1,
    max: 64,
    help: 'Fn: blocks that run at every evaluation and judge it. More judge better, and every skipped step costs this many.',
  }),
  back_blocks: int({
    default: 0,
    min: 0,
    max: 64,
    help: 'Bn: blocks at the end that run at every evaluation and mend the estimate; every skipped step costs this many more.',
  }),
  warm_up_steps: int({
    default: 4,
    min: 0,
    max: 1000,
    help: 'W: model evaluations at the start that are always computed. The layout of a picture is settled there.',
  }),
  max_in_a_row: int({
    default: 0,
    min: 0,
    max: 100,
    help: 'MC: most evaluations skipped one after the other; 0 is without limit. A limit bounds how old a result gets, and the gain.',
  }),
  counting: choice(['plain', 'cache-dit'], {
    default: 'plain',
    help: 'How max_in_a_row counts: plain, or as cache-dit does, whose counter goes on after a drift that was too large, and leaves out the first skip of a later row.',
  }),
  max_skips: int({
    default: 0,
    min: 0,
    max: 1000,
    help: 'Most evaluations skipped in a whole run; 0 is without limit.',
  }),
  budget: float({
    default: 0,
    min: 0,
    max: 1000,
    step: 0.01,
    help: 'Once the drifts measured in a run add up to this, everything is computed to its end; 0 is without limit.',
  }),
  computed_steps: text({
    help: "Evaluations that are always computed, as '0,1,2,5-8'; empty for none. What happens at the others, mask_policy says.",
  }),
  mask_policy: choice(['dynamic', 'static'], {
    default: 'dynamic',
    help: 'With computed_steps: dynamic lets the drift decide at the other evaluations, static skips them all untested.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
}

export type DbCacheParams = Values<typeof inputs>

interface Rules extends Forcing {
  readonly threshold: number
  readonly ends: Ends
  readonly warmUpSteps: number
  readonly maxInARow: number
  /** How skips in a row are counted: 'cache-dit' goes on after a gap, and the first skip of a later row counts nothing. */
  readonly counting: DbCacheParams['counting']
  readonly maxSkips: number
  readonly budget: number
  readonly mask: ReadonlySet<number> | null
  readonly policy: DbCacheParams['mask_policy']
  readonly forecast: Forecast
}

const orEndless = (limit: number): number => (limit === 0 ? Infinity : limit)

function custom(params: DbCacheParams): Rules {
  const { steps } = parseSteps(params.computed_steps)
  return {
    threshold: params.threshold,
    ends: { front: params.front_blocks, back: params.back_blocks },
    warmUpSteps: params.warm_up_steps,
    warmUp: 0,
    warmUpRule: 'before',
    forceLast: params.force_last,
    start: params.start,
    end: params.end,
    maxInARow: orEndless(params.max_in_a_row),
    counting: params.counting,
    maxSkips: orEndless(params.max_skips),
    budget: orEndless(params.budget),
    mask: steps.length === 0 ? null : new Set(steps),
    policy: params.mask_policy,
    forecast: forecastOf(params),
  }
}

const official: Rules = {
  threshold: 0.08,
  ends: { front: 8, back: 0 },
  warmUpSteps: 8,
  warmUp: 0,
  warmUpRule: 'before',
  forceLast: false,
  start: 0,
  end: 1,
  maxInARow: Infinity,
  counting: 'cache-dit',
  maxSkips: Infinity,
  budget: Infinity,
  mask: null,
  policy: 'dynamic',
  forecast: taylor(0),
}

const rulesFor = (params: DbCacheParams): Rules =>
  ({
    custom: () => custom(params),
    official: () => official,
    'official-fast': () => ({
      ...official,
      ends: { front: 4, back: 0 },
      warmUpSteps: 4,
      maxInARow: 4,
      threshold: 0.12,
    }),
    'official-taylorseer': () => ({ ...official, forecast: { ...taylor(1), slopesFrom: 2 } }),
  })[params.preset]()

const isOff = ({ enabled, threshold }: DbCacheParams): boolean => !enabled || threshold === 0
/** From here on cache-dit does not measure. */
const ALWAYS_SIMILAR = 1

interface BranchState {
  readonly blocks: FrontBlocks
  inARow: number
  lastSkip: number | null
  skips: number
  /** Drifts measured so far; never cleared. */
  measured: number
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

/** Why the middle must run, 'skip' where it is skipped untested, or null where the drift decides; cache-dit's order. */
function beforeMeasuring(call: Call, branch: Branch, state: BranchState, rules: Rules): string | null {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return forced
  if (call.index < rules.warmUpSteps) return 'warm-up'
  if (!state.blocks.ready) return 'no-anchor'
  if (rules.mask?.has(call.index)) return 'mask'
  if (rules.mask && rules.policy === 'static') return 'skip'
  if (state.skips >= rules.maxSkips || state.inARow >= rules.maxInARow || state.measured >= rules.budget) return 'limit'
  return rules.threshold >= ALWAYS_SIMILAR ? 'skip' : null
}

/** cache-dit's counter: a skip that follows another counts two at the start of a later row, one that follows none leaves it. */
function countLikeCacheDit({ lastSkip, inARow }: BranchState, index: number): number {
  if (lastSkip === null) return inARow + 1
  if (lastSkip !== index - 1) return inARow
  return inARow + (inARow === 0 ? 2 : 1)
}

function countSkip(state: BranchState, { index }: Call, { counting }: Rules): void {
  state.inARow = counting === 'plain' ? state.inARow + 1 : countLikeCacheDit(state, index)
  state.lastSkip = index
  state.skips++
}

function countCompute(state: BranchState, why: string | null, { counting, maxInARow }: Rules): void {
  // cache-dit clears its counter only where the counter itself forced the computation.
  if (counting === 'plain' || (why === 'limit' && state.inARow >= maxInARow)) state.inARow = 0
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  { rules, branches }: State,
): Promise<Evaluated> {
  const state = branches.of(branch)
  const front = await state.blocks.open(call, branch, denoiser)
  const before = beforeMeasuring(call, branch, state, rules)
  const drift = before === null ? state.blocks.drift(front) : NaN
  const measured = Number.isFinite(drift) ? { drift } : {}
  if (Number.isFinite(drift)) state.measured += drift
  if (before === 'skip' || (before === null && drift < rules.threshold)) {
    countSkip(state, call, rules)
    return { prediction: await state.blocks.estimate(front, denoiser), trace: { decision: 'skipped', ...measured } }
  }
  const why = before ?? (Number.isFinite(drift) ? null : 'non-finite')
  countCompute(state, why, rules)
  const prediction = await state.blocks.compute(front, denoiser)
  return { prediction, trace: why === null ? { decision: 'resumed', ...measured } : { decision: 'full', forced: why } }
}

export const dbCache: CacheMethod<DbCacheParams, State> = {
  id: 'DBCache',
  needs(params, facts) {
    if (isOff(params)) return {}
    const { ends } = rulesFor(params)
    if (ends.front + ends.back >= facts.depth)
      throw new UnmetNeedsError(
        `DBCache: ${ends.front} front and ${ends.back} back blocks leave nothing to skip; the ${facts.family} model has ` +
          `${facts.depth} blocks. Lower front_blocks or back_blocks${params.preset === 'custom' ? '' : ', with the preset custom'}.`,
      )
    return { cuts: cutsFor(ends, facts) }
  },
  start(params) {
    const rules = rulesFor(params)
    const fresh = () => ({ inARow: 0, lastSkip: null, skips: 0, measured: 0 })
    return {
      rules,
      branches: new PerBranch(() => ({ blocks: new FrontBlocks(rules.ends, rules.forecast), ...fresh() })),
    }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state),
    ),
}

export default defineNode({
  type: 'DBCache',
  category: 'caching',
  help: 'Runs the blocks at both ends at every step; while the front ones add much the same as last time, the middle is estimated. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate({ start, end, computed_steps: steps }) {
    const faults = parseSteps(steps ?? '').faults
    const found = { ...windowFaults(start, end), ...(faults.length > 0 ? { computed_steps: faults.join('; ') } : {}) }
    return Object.keys(found).length > 0 ? found : undefined
  },
  run: (values) => ({ CACHE: configure(dbCache, values) }),
})
