/** DiCache (arXiv 2508.17356): the first blocks run as a probe; while it has hardly drifted, the rest is estimated. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Hidden,
} from '../../diffusion/caching/contract.ts'
import { mayWriteOver } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { renew, type Sized } from '../../diffusion/caching/passes.ts'
import { Anchors, type GainLimits } from '../../diffusion/caching/residuals.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, toggle, type Values } from '../spec.ts'

const inputs = {
  preset: choice(['custom', 'paper', 'official-flux', 'official-hunyuan', 'official-wan'], {
    default: 'custom',
    help:
      'custom uses the knobs below. The others are what the authors describe or released, and override every knob but ' +
      'enabled (and threshold 0, which is always off). paper takes its threshold from the knob on models the paper does not name.',
  }),
  enabled: toggle({ default: true, help: 'Off computes everything: exactly the picture of a run without this node.' }),
  threshold: float({
    default: 0.2,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'Summed drift of the probe at which everything is computed again. Higher is faster and less faithful; 0 is off. 0.2 was tuned on the shipped model at 30 steps; FLUX.1-dev wants about 0.4.',
  }),
  warm_up: float({
    default: 0.2,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  probe_depth: int({
    default: 1,
    min: 1,
    max: 64,
    help: 'Blocks that run at every evaluation. A deeper probe judges better, and every skipped step costs this many blocks.',
  }),
  history: int({
    default: 2,
    min: 1,
    max: 8,
    help: 'Computed evaluations kept: 1 reuses the newest residual, 2 extrapolates from two as published, more fits a direction through all of them. Each keeps two token tensors per sample and branch.',
  }),
  drift: choice(['probe', 'probe - input'], {
    default: 'probe',
    help: "What counts as drift: the relative change of the probe's output, or how much that differs from its input's change (needs a threshold about five times smaller).",
  }),
  decide: choice(['per branch', 'together'], {
    default: 'per branch',
    help: 'Whether each guidance branch decides for itself, or both as one (as published where guidance is batched): then they stay in step and always run as one batch, which is faster per block.',
  }),
  force_last: toggle({ default: true, help: 'Always compute the last evaluation, which sets the finest detail.' }),
  max_gain: float({
    default: 1.5,
    min: 1,
    max: 10,
    step: 0.1,
    help: 'Furthest extrapolation past the newest residual, as a multiple of the distance between the last two; 1 reuses it unchanged.',
  }),
  start: float({ default: 0, min: 0, max: 1, help: 'Share of the noise range after which skipping may begin.' }),
  end: float({
    default: 1,
    min: 0,
    max: 1,
    help: 'Share of the noise range after which everything is computed again.',
  }),
}

export type DiCacheParams = Values<typeof inputs>

/** Everything a preset fixes; what the knobs cannot say stands here only. */
interface Rules extends Forcing {
  readonly threshold: number
  /** 'below' skips while the sum is < threshold, 'at-most' while it is <= threshold. */
  readonly comparison: 'below' | 'at-most'
  readonly probeDepth: number
  readonly history: number
  readonly drift: DiCacheParams['drift']
  readonly decide: DiCacheParams['decide']
  readonly gain: GainLimits
}

const custom = (params: DiCacheParams): Rules => ({
  threshold: params.threshold,
  comparison: 'below',
  warmUp: params.warm_up,
  warmUpRule: 'through',
  forceLast: params.force_last,
  start: params.start,
  end: params.end,
  probeDepth: params.probe_depth,
  history: params.history,
  drift: params.drift,
  decide: params.decide,
  gain: { min: 1, max: params.max_gain },
})

const published = { start: 0, end: 1, probeDepth: 1, history: 2, drift: 'probe', decide: 'per branch' } as const
const officialFlux: Rules = {
  ...published,
  threshold: 0.4,
  comparison: 'below',
  warmUp: 0.2,
  warmUpRule: 'through',
  forceLast: true,
  gain: { min: 1, max: 1.5 },
}
const officialHunyuan: Rules = {
  ...officialFlux,
  decide: 'together',
  threshold: 0.1,
  comparison: 'at-most',
  warmUpRule: 'before',
  forceLast: false,
}
const officialWan: Rules = {
  ...officialFlux,
  threshold: 0.08,
  warmUpRule: 'before-interleaved',
  forceLast: false,
  gain: { min: 1, max: 2 },
}

/** The paper's thresholds (its table 1), by family. */
const PAPER_THRESHOLDS: Readonly<Record<string, number>> = { flux: 0.4, 'hunyuan-video': 0.1, wan: 0.2 }

/** The paper's loop: no warm-up beyond the first step, the plain ratio as gain. */
const paper = (params: DiCacheParams, family: string): Rules => ({
  ...officialHunyuan,
  decide: 'per branch',
  threshold: PAPER_THRESHOLDS[family] ?? params.threshold,
  warmUp: 0,
  gain: { min: 0, max: Infinity },
})

const PRESETS: Readonly<Record<DiCacheParams['preset'], (params: DiCacheParams, family: string) => Rules>> = {
  custom,
  paper,
  'official-flux': () => officialFlux,
  'official-hunyuan': () => officialHunyuan,
  'official-wan': () => officialWan,
}

const isOff = ({ enabled, threshold }: DiCacheParams): boolean => !enabled || threshold === 0

/** Tokens as the gate last saw them, in memory of their own. */
interface Measured extends Sized {
  /** How far they were from those of the evaluation before, mean|now - before|; and mean|before|. NaN where there was nothing before. */
  readonly moved: number
  readonly sizeBefore: number
}

/** The tokens around the probe at one evaluation; the input is kept only where the drift measure asks for it. */
interface Seen {
  readonly index: number
  /** Whether there is something to compare with: finite tokens of the evaluation before. */
  readonly follows: boolean
  readonly finite: boolean
  readonly input: Measured | null
  readonly probe: Measured
}

/** State of one guidance branch. The gate compares with the evaluation before; the anchors are the last computed ones. */
interface BranchState {
  seen: Seen | null
  accumulated: number
  readonly anchors: Anchors
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

/** What the gate found: why the rest must be computed, or how far the probe has drifted. */
type Verdict = { readonly forced: string } | { readonly drift: number; readonly accumulated: number }

/** One branch of the evaluation at hand, after its probe. */
interface Probed {
  readonly branch: Branch
  readonly input: Hidden
  readonly probe: Hidden
  readonly state: BranchState
}

/** mean|now - before| / mean|before| over the tokens of all branches; not finite when there was nothing before. */
function change(all: readonly Measured[]): number {
  const sum = (of: 'moved' | 'sizeBefore'): number => all.reduce((total, one) => total + one[of], 0)
  return sum('moved') / sum('sizeBefore')
}

/** Drift of the branches that decide together. */
function driftOf(group: readonly Probed[], rules: Rules): number {
  const seen = group.map(({ state }) => state.seen!)
  const probe = change(seen.map((one) => one.probe))
  return rules.drift === 'probe' ? probe : Math.abs(probe - change(seen.map((one) => one.input!)))
}

function judge(call: Call, group: readonly Probed[], rules: Rules): Verdict {
  const forced = group.map(({ branch }) => forcedBecause(call, branch, rules)).find((why) => why !== null)
  if (forced !== undefined) return { forced }
  if (group.some(({ state }) => !state.seen?.follows || !state.anchors.ready)) return { forced: 'no-anchor' }
  const drift = driftOf(group, rules)
  return Number.isFinite(drift) ? { drift, accumulated: group[0]!.state.accumulated + drift } : { forced: 'non-finite' }
}

/** Copies, so that no buffer of the runtime is kept or relied on; over what was kept before. */
const measure = (now: Tensor, before?: Measured | null): Measured => ({
  ...renew(now, before?.tokens),
  sizeBefore: before?.size ?? NaN,
})

/** Writes over what was seen before. A branch that sat an evaluation out, and tokens that are not finite, leave nothing to compare with. */
function remember({ index }: Call, { input: { image }, probe, state: { seen } }: Probed, { drift }: Rules): Seen {
  const input = drift === 'probe' ? null : measure(image, seen?.input)
  const probed = measure(probe.image, seen?.probe)
  const follows = seen !== null && seen.finite && seen.index === index - 1
  return { index, follows, finite: Number.isFinite(probed.size + (input?.size ?? 0)), input, probe: probed }
}

const mayReuse = (accumulated: number, { threshold, comparison }: Rules): boolean =>
  comparison === 'below' ? accumulated < threshold : accumulated <= threshold

/** The rest of the blocks, from the probe; they give the newest anchor. */
async function compute(denoiser: Denoiser, { input, probe, state }: Probed, rules: Rules): Promise<Tensor> {
  const output = await denoiser.blocks(probe, rules.probeDepth, denoiser.facts.depth)
  state.anchors.add({ input: input.image, probed: probe.image, output: output.image })
  state.accumulated = 0
  return denoiser.head(output)
}

async function answer(denoiser: Denoiser, probed: Probed, verdict: Verdict, rules: Rules): Promise<Evaluated> {
  const { input, probe, state } = probed
  if ('forced' in verdict)
    return { prediction: await compute(denoiser, probed, rules), trace: { decision: 'full', forced: verdict.forced } }
  if (!mayReuse(verdict.accumulated, rules))
    return { prediction: await compute(denoiser, probed, rules), trace: { decision: 'resumed', ...verdict } }
  state.accumulated = verdict.accumulated
  const { image, gain } = state.anchors.estimate(input.image, probe.image, rules.gain, mayWriteOver(denoiser))
  const prediction = await denoiser.head({ ...input, image })
  return { prediction, trace: { decision: 'skipped', ...verdict, ...(gain === null ? {} : { gain }) } }
}

/** Probes all branches, judges those that decide together as one, and answers each. */
async function evaluate(call: Call, denoiser: Denoiser, { rules, branches }: State) {
  const probes = call.branches.map(async (branch): Promise<Probed> => {
    const input = await denoiser.embed(call, branch)
    return { branch, input, probe: await denoiser.blocks(input, 0, rules.probeDepth), state: branches.of(branch) }
  })
  const probed = await Promise.all(probes)
  for (const one of probed) one.state.seen = remember(call, one, rules)
  const verdicts = probed.map((one) => judge(call, rules.decide === 'together' ? probed : [one], rules))
  const answers = probed.map(async (one, i) => [one.branch, await answer(denoiser, one, verdicts[i]!, rules)] as const)
  return new Map(await Promise.all(answers))
}

export const dicache: CacheMethod<DiCacheParams, State> = {
  id: 'DiCache',
  needs(params, { family, depth }) {
    if (isOff(params)) return {}
    const { probeDepth } = PRESETS[params.preset](params, family)
    if (probeDepth >= depth)
      throw new UnmetNeedsError(
        `DiCache: probe_depth ${probeDepth} leaves nothing to skip; the ${family} model has ${depth} blocks. Lower probe_depth.`,
      )
    return { cuts: [0, probeDepth, depth] }
  },
  start(params, { family }) {
    const rules = PRESETS[params.preset](params, family)
    const fresh = (): BranchState => ({ seen: null, accumulated: 0, anchors: new Anchors(rules.history) })
    return { rules, branches: new PerBranch(fresh) }
  },
  evaluate: (call, denoiser, state, params) =>
    isOff(params) ? eachBranch(call, (branch) => inFull(denoiser, call, branch)) : evaluate(call, denoiser, state),
}

export default defineNode({
  type: 'DiCache',
  category: 'caching',
  help: 'Skips most of the model at steps where a shallow probe says that little has changed. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) =>
    start !== undefined && end !== undefined && start > end
      ? { end: `the window ends at ${end}, before it starts at ${start}: nothing could be skipped` }
      : undefined,
  run: (values) => ({ CACHE: configure(dicache, values) }),
})
