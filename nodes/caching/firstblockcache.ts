/** First-Block-Cache (ParaAttention, diffusers): while the first block adds what it added last time, so do all the others. */
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
import { REUSE, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { cutsFor, FrontBlocks } from '../../diffusion/caching/front-blocks.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'official', 'diffusers'], {
    default: 'custom',
    help:
      'custom uses the knobs below. official is ParaAttention (0.08 on FLUX, 0.06 on HunyuanVideo, else the threshold below), ' +
      'diffusers its hook (0.05); both have no warm-up and may skip the last evaluation, and override every knob but enabled and threshold 0, which is off.',
  }),
  ...switchKnobs,
  threshold: float({
    default: 0.1,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'How far what the first block adds may move from the last computed evaluation, relatively. Higher is faster and less faithful; 0 is off. FLUX.1-dev is used with 0.08 to 0.12; weights in 8 bits want more.',
  }),
  warm_up: float({
    default: 0,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  max_in_a_row: int({
    default: 0,
    min: 0,
    max: 100,
    help: 'Most evaluations skipped one after the other; 0 is without limit. A limit bounds how old a result gets, and the gain.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
}

export type FirstBlockCacheParams = Values<typeof inputs>

interface Rules extends Forcing {
  readonly threshold: number
  /** 'below' skips while the drift is < threshold (ParaAttention), 'at-most' while it is <= threshold (diffusers). */
  readonly comparison: 'below' | 'at-most'
  readonly maxInARow: number
  readonly forecast: Forecast
}

const custom = (params: FirstBlockCacheParams): Rules => ({
  threshold: params.threshold,
  comparison: 'below',
  warmUp: params.warm_up,
  warmUpRule: 'before',
  forceLast: params.force_last,
  start: params.start,
  end: params.end,
  maxInARow: params.max_in_a_row === 0 ? Infinity : params.max_in_a_row,
  forecast: forecastOf(params),
})

/** ParaAttention's thresholds, by family. */
const OFFICIAL_THRESHOLDS: Readonly<Record<string, number>> = { flux: 0.08, 'hunyuan-video': 0.06 }

const released = (threshold: number, comparison: Rules['comparison']): Rules => ({
  threshold,
  comparison,
  warmUp: 0,
  warmUpRule: 'before',
  forceLast: false,
  start: 0,
  end: 1,
  maxInARow: Infinity,
  forecast: REUSE,
})

const PRESETS: Readonly<Record<FirstBlockCacheParams['preset'], (p: FirstBlockCacheParams, family: string) => Rules>> =
  {
    custom,
    official: ({ threshold }, family) => released(OFFICIAL_THRESHOLDS[family] ?? threshold, 'below'),
    diffusers: () => released(0.05, 'at-most'),
  }

const ENDS = { front: 1, back: 0 }
const isOff = ({ enabled, threshold }: FirstBlockCacheParams): boolean => !enabled || threshold === 0

interface BranchState {
  readonly blocks: FrontBlocks
  skippedInARow: number
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

const mayReuse = (drift: number, { threshold, comparison }: Rules): boolean =>
  comparison === 'below' ? drift < threshold : drift <= threshold

/** Why the other blocks must run whatever the first one says, or null. */
function mustCompute(call: Call, branch: Branch, { blocks, skippedInARow }: BranchState, rules: Rules): string | null {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return forced
  if (!blocks.ready) return 'no-anchor'
  return skippedInARow >= rules.maxInARow ? 'limit' : null
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  { rules, branches }: State,
): Promise<Evaluated> {
  const state = branches.of(branch)
  const front = await state.blocks.open(call, branch, denoiser)
  const forced = mustCompute(call, branch, state, rules)
  const drift = state.blocks.drift(front)
  const measured = Number.isFinite(drift) ? { drift } : {}
  if (forced === null && mayReuse(drift, rules)) {
    state.skippedInARow++
    return { prediction: await state.blocks.estimate(front, denoiser), trace: { decision: 'skipped', ...measured } }
  }
  state.skippedInARow = 0
  const why = forced ?? (Number.isFinite(drift) ? null : 'non-finite')
  const prediction = await state.blocks.compute(front, denoiser)
  return { prediction, trace: why === null ? { decision: 'resumed', ...measured } : { decision: 'full', forced: why } }
}

export const firstBlockCache: CacheMethod<FirstBlockCacheParams, State> = {
  id: 'FirstBlockCache',
  needs(params, facts) {
    if (isOff(params)) return {}
    if (facts.depth < 2)
      throw new UnmetNeedsError(`FirstBlockCache: the ${facts.family} model has ${facts.depth} block: nothing to skip.`)
    return { cuts: cutsFor(ENDS, facts) }
  },
  start(params, { family }) {
    const rules = PRESETS[params.preset](params, family)
    return {
      rules,
      branches: new PerBranch(() => ({ blocks: new FrontBlocks(ENDS, rules.forecast), skippedInARow: 0 })),
    }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state),
    ),
}

export default defineNode({
  type: 'FirstBlockCache',
  category: 'caching',
  help: 'Runs the first block at every step; while it adds much the same as last time, the rest is not computed. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(firstBlockCache, values) }),
})
