/** ProfilingDiT (arXiv 2504.03140): chosen blocks, which paint the background, run seldom; in between what they added is added again. */
import { BlockMeter, mostStable, parseBlocks, runsOf, type BlockRun } from '../../diffusion/caching/block-profile.ts'
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Facts,
  type Hidden,
} from '../../diffusion/caching/contract.ts'
import { REUSE, ResidualEstimator } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, text, type Values } from '../spec.ts'
import { switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const AUTO = 'auto'

const inputs = {
  preset: choice(['custom', 'paper', 'official-hunyuan', 'official-wan'], {
    default: 'custom',
    help:
      "custom uses the knobs below. paper takes the paper's interval, which shrinks from 12 to 2 evaluations (its ends are unpublished; " +
      'these are those of the released list). The official ones are the block lists and steps released for HunyuanVideo (60 blocks) and ' +
      'Wan 2.1 14B (40 blocks) at 50 steps, and refuse other depths. enabled and interval 1, which is off, always count.',
  }),
  ...switchKnobs,
  blocks: text({
    default: AUTO,
    help: "Blocks to reuse, counted from 0, like '2-7,10-20'; ProfileBlocks finds them for a model and prompt. auto measures them during the warm-up by our own rule: the authors' profiler is unpublished. More blocks are faster and less faithful.",
  }),
  share: float({
    default: 0.65,
    min: 0.05,
    max: 1,
    step: 0.05,
    help: "For auto: share of the blocks that are reused, the most stable ones; 0.6 to 0.7 as in the authors' lists. Higher is faster and less faithful.",
  }),
  interval: int({
    default: 6,
    min: 1,
    max: 100,
    help: 'Evaluations from one full one to the next, after the warm-up. Higher is faster and less faithful; 1 is off.',
  }),
  last_interval: int({
    default: 6,
    min: 1,
    max: 100,
    help: 'The same at the end of the run: the interval goes evenly from the one to the other. Smaller than interval spends more on detail.',
  }),
  warm_up: float({
    default: 0.12,
    min: 0,
    max: 1,
    step: 0.05,
    round: 0.001,
    help: 'Share of the evaluations at the start that is always computed: 6 of 50 as released. The layout of a picture is settled there.',
  }),
  ...windowKnobs,
}

export type ProfilingDiTParams = Values<typeof inputs>

/** When a run of blocks is computed: at listed evaluations, or at intervals that go evenly from the first to the last. */
type Schedule = readonly number[] | { readonly first: number; readonly last: number }

interface Group {
  /** Null where they are found during the warm-up. */
  readonly blocks: readonly number[] | null
  readonly schedule: Schedule
}

interface Rules extends Forcing {
  /** Evaluations of the warm-up, as a share of all or as a number. */
  readonly firstFull: { readonly share: number } | number
  readonly groups: readonly Group[]
  /** Blocks of the model that the lists are for; null for any. */
  readonly depth: number | null
}

/** Forcing without a warm-up of its own: the method has one that stores nothing. */
const released = { warmUp: 0, warmUpRule: 'before', forceLast: false, start: 0, end: 1 } as const
const every6 = { first: 6, last: 6 }
const listed = (blocks: string): readonly number[] => parseBlocks(blocks)!
const chosen = ({ blocks }: ProfilingDiTParams): readonly number[] | null =>
  blocks.trim() === AUTO ? null : (parseBlocks(blocks) ?? [])

const PRESETS: Readonly<Record<ProfilingDiTParams['preset'], (params: ProfilingDiTParams) => Rules>> = {
  custom: (params) => ({
    ...released,
    forceLast: params.force_last,
    start: params.start,
    end: params.end,
    firstFull: { share: params.warm_up },
    groups: [{ blocks: chosen(params), schedule: { first: params.interval, last: params.last_interval } }],
    depth: null,
  }),
  paper: (params) => ({
    ...released,
    firstFull: { share: 0.12 },
    groups: [{ blocks: chosen(params), schedule: { first: 12, last: 2 } }],
    depth: null,
  }),
  'official-hunyuan': () => ({
    ...released,
    firstFull: 6,
    groups: [
      { blocks: listed('6-19'), schedule: every6 },
      // Single-stream blocks 0, 2, 4-7, 10-21, 23, 25-27, 31, 33, behind 20 double-stream ones.
      { blocks: listed('20,22,24-27,30-41,43,45-47,51,53'), schedule: [6, 18, 26, 32, 38, 42, 46, 48] },
    ],
    depth: 60,
  }),
  'official-wan': () => ({
    ...released,
    firstFull: 6,
    groups: [{ blocks: listed('0,2-7,10-20,25-32,37,38'), schedule: every6 }],
    depth: 40,
  }),
}

const isOff = ({ enabled, interval, last_interval }: ProfilingDiTParams): boolean =>
  !enabled || (interval === 1 && last_interval === 1)

const isAuto = ({ groups }: Rules): boolean => groups.some(({ blocks }) => blocks === null)

const firstFullOf = ({ firstFull }: Rules, { total }: Call): number =>
  typeof firstFull === 'number' ? firstFull : Math.floor(firstFull.share * total + 1e-9)

/** Evaluations from `start` on at which blocks are computed: s + T(s), T going evenly from first to last (the paper's interval). */
export function scheduled(schedule: Schedule, start: number, total: number): readonly number[] {
  if (!('first' in schedule)) return schedule
  const { first, last } = schedule
  const steps: number[] = []
  for (let s = start; s < total; s += Math.max(1, Math.round(first - ((first - last) * (s - start)) / (total - start))))
    steps.push(s)
  return steps
}

/** A run of blocks of one branch and what it added when it last ran. */
interface Reusable extends BlockRun {
  readonly schedule: Schedule
  readonly added: ResidualEstimator
}

interface BranchState {
  /** Measures the blocks until the runs are found; null from then on. */
  meter: BlockMeter | null
  /** Rising. */
  runs: readonly Reusable[]
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

const reusable = ({ blocks, schedule }: Group, found: readonly number[]): Reusable[] =>
  runsOf(blocks ?? found).map((run) => ({ ...run, schedule, added: new ResidualEstimator(REUSE, 'image and text') }))

const runsFor = ({ groups }: Rules, found: readonly number[]): Reusable[] =>
  groups.flatMap((group) => reusable(group, found)).sort((a, b) => a.from - b.from)

/** Least number of changes that a choice of blocks is built on. */
const ENOUGH = 2

/** All blocks in order, each run of background blocks reused or computed; tells whether any was reused. */
async function walk(
  call: Call,
  denoiser: Denoiser,
  input: Hidden,
  runs: readonly Reusable[],
  first: number,
  free: boolean,
) {
  let [state, at, reused] = [input, 0, false]
  for (const { from, to, schedule, added } of runs) {
    const before = await denoiser.blocks(state, at, from)
    const mayReuse = free && added.ready && !scheduled(schedule, first, call.total).includes(call.index)
    if (mayReuse) state = added.estimate(call, before)
    else {
      state = await denoiser.blocks(before, from, to)
      added.learn(call, before, state)
    }
    reused ||= mayReuse
    at = to
  }
  return { output: await denoiser.blocks(state, at, denoiser.facts.depth), reused }
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  { rules, branches }: State,
  { share }: ProfilingDiTParams,
): Promise<Evaluated> {
  const state = branches.of(branch)
  const first = firstFullOf(rules, call)
  const forced = forcedBecause(call, branch, rules)
  const input = await denoiser.embed(call, branch)
  const { meter } = state
  if (call.index < first || (meter && meter.count < ENOUGH)) {
    const output = meter ? await meter.run(input, denoiser) : await denoiser.blocks(input, 0, denoiser.facts.depth)
    return { prediction: await denoiser.head(output), trace: { decision: 'full', forced: forced ?? 'warm-up' } }
  }
  if (meter) {
    state.runs = runsFor(rules, mostStable(meter.changes, share))
    state.meter = null
  }
  const { output, reused } = await walk(call, denoiser, input, state.runs, first, forced === null)
  const prediction = await denoiser.head(output)
  if (reused) return { prediction, trace: { decision: 'partial' } }
  return { prediction, trace: forced === null ? { decision: 'full' } : { decision: 'full', forced } }
}

/** Why a model cannot be served, or the cuts that it takes. */
function cutsFor(params: ProfilingDiTParams, { family, depth }: Facts): readonly number[] {
  const rules = PRESETS[params.preset](params)
  if (rules.depth !== null && rules.depth !== depth)
    throw new UnmetNeedsError(
      `ProfilingDiT: ${params.preset} lists blocks of a model of ${rules.depth}; the ${family} model has ${depth}. Use custom or paper.`,
    )
  if (isAuto(rules)) return Array.from({ length: depth + 1 }, (_, i) => i)
  const blocks = rules.groups.flatMap((group) => group.blocks ?? [])
  const outside = blocks.filter((block) => block >= depth)
  if (blocks.length === 0 || outside.length > 0)
    throw new UnmetNeedsError(
      `ProfilingDiT: expected blocks from 0 to ${depth - 1} of the ${family} model, received '${params.blocks}'. ` +
        `Use ${AUTO}, or let ProfileBlocks find them.`,
    )
  return [0, depth, ...runsOf(blocks).flatMap(({ from, to }) => [from, to])]
}

export const profilingdit: CacheMethod<ProfilingDiTParams, State> = {
  id: 'ProfilingDiT',
  needs: (params, facts) => (isOff(params) ? {} : { cuts: [...new Set(cutsFor(params, facts))] }),
  start(params) {
    const rules = PRESETS[params.preset](params)
    const auto = isAuto(rules)
    const fresh = (): BranchState => ({ meter: auto ? new BlockMeter() : null, runs: auto ? [] : runsFor(rules, []) })
    return { rules, branches: new PerBranch(fresh) }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state, params),
    ),
}

export default defineNode({
  type: 'ProfilingDiT',
  category: 'caching',
  help: 'Runs all blocks at one step in a few; between them the blocks that paint the background add what they added then. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate({ start, end, blocks }) {
    const wrong = blocks !== undefined && blocks.trim() !== AUTO && (parseBlocks(blocks)?.length ?? 0) === 0
    if (!wrong) return windowFaults(start, end)
    return {
      ...windowFaults(start, end),
      blocks: `expected '${AUTO}' or blocks like '2-7,10-20', received '${blocks}'`,
    }
  },
  run: (values) => ({ CACHE: configure(profilingdit, values) }),
})
