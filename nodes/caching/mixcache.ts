/** MixCache, reconstructed from the abstract of arXiv 2508.12691: whole steps, the unconditional branch or middle blocks are reused, whichever moved least. */
import { PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Decision,
  type Denoiser,
  type Evaluated,
  type Facts,
  type Trace,
} from '../../diffusion/caching/contract.ts'
import { mayWriteOver, REUSE, ResidualEstimator } from '../../diffusion/caching/estimators.ts'
import type { Sized } from '../../diffusion/caching/passes.ts'
import { add, meanAbs, meanAbsDifference, sub, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'reconstruction'], {
    default: 'custom',
    help: 'custom uses the knobs below, reconstruction their defaults, whatever they say. The numbers of the paper are not public; these are ours, set on no model in particular. enabled and threshold 0, which is off, always count.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.12,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'Summed estimate of the error at which everything is computed again. Higher is faster and less faithful; 0 is off.',
  }),
  warm_up: float({
    default: 0.15,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  calm: float({
    default: 0.3,
    min: 0,
    max: 10,
    step: 0.05,
    help: 'Reuse begins once two computed evaluations one after the other changed less than this per step, relatively. Higher begins earlier.',
  }),
  penalty: float({
    default: 1,
    min: 0,
    max: 10,
    step: 0.1,
    help: 'How much dearer a kind of reuse gets each time it is used before the next full evaluation. Higher mixes the kinds more and skips less.',
  }),
  max_in_a_row: int({
    default: 4,
    min: 1,
    max: 100,
    help: 'Most evaluations with any reuse one after the other. Higher is faster; results get older.',
  }),
  protect_last: int({
    default: 2,
    min: 0,
    max: 100,
    help: 'Evaluations at the end that are always computed; they set the finest detail. Each one more is slower.',
  }),
  ends: float({
    default: 0.125,
    min: 0.02,
    max: 0.45,
    step: 0.025,
    round: 0.001,
    help: 'Share of the blocks at each end that runs when the middle blocks are reused. More is slower and more faithful.',
  }),
  start: windowKnobs.start,
  end: windowKnobs.end,
}

export type MixCacheParams = Values<typeof inputs>

const RECONSTRUCTION = { threshold: 0.12, warm_up: 0.15, calm: 0.3, penalty: 1, max_in_a_row: 4, protect_last: 2 }

const rulesOf = (params: MixCacheParams): MixCacheParams =>
  params.preset === 'custom' ? params : { ...params, ...RECONSTRUCTION, ends: 0.125, start: 0, end: 1 }

const isOff = ({ enabled, threshold }: MixCacheParams): boolean => !enabled || threshold === 0

/** What is reused: everything of a step, the middle blocks, or the difference that guidance makes; cheapest first. */
const MODES = ['step', 'block', 'cfg'] as const
export type Mode = (typeof MODES)[number]
type Errors = Readonly<Record<Mode, number>>

/** First middle block, and the first behind the middle. */
type Middle = readonly [from: number, to: number]

function middleOf({ ends }: MixCacheParams, { depth }: Facts): Middle {
  const count = Math.max(1, Math.ceil(ends * depth))
  return [count, depth - count]
}

/**
 * The kind of reuse whose error e (1 + penalty uses) is least, among those that keep the sum within the threshold; between equals
 * the cheaper. Null when none does. A kind that cannot be had has an infinite error.
 */
export function choose(
  errors: Errors,
  uses: Errors,
  sum: number,
  { threshold, penalty }: Pick<MixCacheParams, 'threshold' | 'penalty'>,
): { readonly mode: Mode; readonly score: number } | null {
  const scores = MODES.map((mode) => ({ mode, score: errors[mode] * (1 + penalty * uses[mode]) }))
  return scores.filter(({ score }) => sum + score <= threshold).sort((a, b) => a.score - b.score)[0] ?? null
}

/** What one branch did at one full evaluation: what all blocks and the middle ones added to the image tokens (null: not finite), and the prediction. */
interface Computed {
  readonly whole: Sized | null
  readonly middle: Sized | null
  readonly prediction: Tensor
}

/** One full evaluation; `bias` is the unconditional minus the conditional prediction. */
interface Full {
  readonly index: number
  readonly branches: ReadonlyMap<Branch, Computed>
  readonly bias: Tensor | null
}

const NO_USES: Errors = { step: 0, block: 0, cfg: 0 }

interface State {
  readonly rules: MixCacheParams
  /** What is reused. Both learn at full evaluations only: no estimate is ever built on another. */
  readonly parts: PerBranch<{ readonly step: ResidualEstimator; readonly block: ResidualEstimator }>
  full: Full | null
  /** What each kind of reuse would cost now, from the last two full evaluations. */
  errors: Errors | null
  calmInARow: number
  sum: number
  uses: Errors
  reusedInARow: number
}

/** Why everything must be computed at this evaluation whatever the errors are, or null. */
function forcedBecause(call: Call, { rules, calmInARow, errors, full }: State): string | null {
  const { index, progress } = call
  if (index === 0) return 'first'
  if (index >= call.total - rules.protect_last) return 'last'
  if (progress < rules.start || progress > rules.end) return 'window'
  if (full?.branches.size !== call.branches.length) return 'no-anchor'
  return index < Math.ceil(rules.warm_up * call.total) || calmInARow < 2 || errors === null ? 'warm-up' : null
}

/** The errors that two full evaluations say the kinds of reuse make, per evaluation; infinite where nothing can be said. */
function errorsBetween(now: Full, before: Full, guidance: number): Errors {
  const pairs = [...now.branches].flatMap(([branch, one]) => {
    const other = before.branches.get(branch)
    return other ? [{ one, other }] : []
  })
  const steps = now.index - before.index
  const sum = (of: (pair: (typeof pairs)[number]) => number) => pairs.reduce((all, pair) => all + of(pair), 0)
  const size = (part: 'whole' | 'middle', of: 'one' | 'other') => sum((pair) => pair[of][part]?.size ?? NaN)
  const change = (part: 'whole' | 'middle') =>
    sum(({ one: { [part]: a }, other: { [part]: b } }) => (a && b ? meanAbsDifference(a.tokens, b.tokens) : NaN)) /
    (size(part, 'other') * steps)
  const bias = now.bias && before.bias ? meanAbsDifference(now.bias, before.bias) : Infinity
  const known = (error: number) => (Number.isNaN(error) ? Infinity : error)
  return {
    step: known(change('whole')),
    block: known((change('middle') * size('middle', 'one')) / size('whole', 'one')),
    cfg: known((Math.abs(guidance - 1) * bias) / (meanAbs(now.branches.get('cond')!.prediction) * steps)),
  }
}

type Predictions = ReadonlyMap<Branch, Tensor>

const eachOf = async (call: Call, answer: (branch: Branch) => Promise<Tensor>): Promise<Predictions> =>
  new Map(await Promise.all(call.branches.map(async (branch) => [branch, await answer(branch)] as const)))

/** Takes the errors from this full evaluation and the one before, and begins to count anew. */
function learn(call: Call, state: State, branches: ReadonlyMap<Branch, Computed>): void {
  const [cond, uncond] = [branches.get('cond'), branches.get('uncond')]
  const bias = cond && uncond ? sub(uncond.prediction, cond.prediction) : null
  const full = { index: call.index, branches, bias }
  if (state.full) {
    state.errors = errorsBetween(full, state.full, call.guidance)
    if (state.calmInARow < 2) state.calmInARow = state.errors.step < state.rules.calm ? state.calmInARow + 1 : 0
  }
  Object.assign(state, { full, sum: 0, uses: NO_USES, reusedInARow: 0 })
}

async function compute(call: Call, denoiser: Denoiser, state: State, [from, to]: Middle): Promise<Predictions> {
  const branches = new Map<Branch, Computed>()
  const given = await eachOf(call, async (branch) => {
    const { step, block } = state.parts.of(branch)
    const input = await denoiser.embed(call, branch)
    const front = await denoiser.blocks(input, 0, from)
    const middle = await denoiser.blocks(front, from, to)
    const output = await denoiser.blocks(middle, to, denoiser.facts.depth)
    step.learn(call, input, output)
    block.learn(call, front, middle)
    const { data, shape } = await denoiser.head(output)
    const prediction = { data: data.slice(), shape }
    branches.set(branch, { whole: step.newest, middle: block.newest, prediction })
    return prediction
  })
  learn(call, state, branches)
  return given
}

async function reuse(
  mode: Mode,
  call: Call,
  denoiser: Denoiser,
  state: State,
  [from, to]: Middle,
): Promise<Predictions> {
  if (mode === 'cfg') {
    const cond = await denoiser.predict(call, 'cond')
    return eachOf(call, (branch) => Promise.resolve(branch === 'cond' ? cond : add(cond, state.full!.bias!)))
  }
  return eachOf(call, async (branch) => {
    const { step, block } = state.parts.of(branch)
    const input = await denoiser.embed(call, branch)
    if (mode === 'step') return denoiser.head(step.estimate(call, input, mayWriteOver(denoiser)))
    const middle = block.estimate(call, await denoiser.blocks(input, 0, from), mayWriteOver(denoiser))
    return denoiser.head(await denoiser.blocks(middle, to, denoiser.facts.depth))
  })
}

/** What a reusing evaluation is called in the report, by kind and branch. */
const DECISIONS: Readonly<Record<Mode, Readonly<Record<Branch, Decision>>>> = {
  step: { cond: 'skipped', uncond: 'skipped' },
  block: { cond: 'partial', uncond: 'partial' },
  cfg: { cond: 'full', uncond: 'skipped' },
}

const answers = (given: Predictions, trace: (branch: Branch) => Trace): ReadonlyMap<Branch, Evaluated> =>
  new Map([...given].map(([branch, prediction]) => [branch, { prediction, trace: trace(branch) }] as const))

async function evaluate(call: Call, denoiser: Denoiser, state: State): Promise<ReadonlyMap<Branch, Evaluated>> {
  const { rules, errors, uses } = state
  const middle = middleOf(rules, denoiser.facts)
  const forced = forcedBecause(call, state)
  const mayReuse = forced === null && state.reusedInARow < rules.max_in_a_row
  const chosen = mayReuse && errors ? choose(errors, uses, state.sum, rules) : null
  if (!chosen) {
    const trace: Trace = forced === null ? { decision: 'full' } : { decision: 'full', forced }
    return answers(await compute(call, denoiser, state, middle), () => trace)
  }
  const { mode, score: drift } = chosen
  const accumulated = (state.sum += drift)
  state.uses = { ...uses, [mode]: uses[mode] + 1 }
  state.reusedInARow++
  const given = await reuse(mode, call, denoiser, state, middle)
  return answers(given, (branch) => ({ decision: DECISIONS[mode][branch], drift, accumulated }))
}

export const mixcache: CacheMethod<MixCacheParams, State> = {
  id: 'MixCache',
  needs(params, facts) {
    if (isOff(params)) return {}
    const [from, to] = middleOf(rulesOf(params), facts)
    if (from >= to)
      throw new UnmetNeedsError(
        `MixCache: ends ${params.ends} leave no middle in the ${facts.depth} blocks of the ${facts.family} model. Lower ends.`,
      )
    return { cuts: [0, from, to, facts.depth] }
  },
  start: (params) => ({
    rules: rulesOf(params),
    parts: new PerBranch(() => ({
      step: new ResidualEstimator(REUSE, 'image'),
      block: new ResidualEstimator(REUSE, 'image and text'),
    })),
    full: null,
    errors: null,
    calmInARow: 0,
    sum: 0,
    uses: NO_USES,
    reusedInARow: 0,
  }),
  evaluate: async (call, denoiser, state, params) =>
    isOff(params)
      ? answers(await eachOf(call, (branch) => denoiser.predict(call, branch)), () => ({ decision: 'full' }))
      : evaluate(call, denoiser, state),
}

export default defineNode({
  type: 'MixCache',
  category: 'caching',
  title: 'MixCache (reconstruction)',
  help: "At each step reuses a whole step, the middle blocks or the unconditional branch, whichever changed least of late. A reconstruction: only the paper's abstract was available, so its formulas and numbers are ours and its results must not be judged by this node. Connect it to a sampler.",
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(mixcache, values) }),
})
