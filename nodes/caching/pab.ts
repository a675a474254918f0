/** PAB, pyramid attention broadcast (arXiv 2408.12588): in the calm middle of a run, attention outputs serve several steps. */
import { mayCome } from '../../diffusion/caching/ahead.ts'
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
  type GivenModule,
  type ModuleKey,
  type ModuleOutput,
} from '../../diffusion/caching/contract.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import {
  decisionOf,
  evaluateByPlan,
  isFiniteOutput,
  keysOf,
  needsModules,
} from '../../diffusion/caching/module-plans.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { switchKnobs, windowFaults } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'paper', 'official'], {
    default: 'custom',
    help:
      'custom uses the knobs below. paper broadcasts attention by 2, 4 and 6 (spatial, temporal, cross) over the middle 70 % of the ' +
      'steps; official are the numbers the authors released for image models and Latte: 2, 3 and 6 between timesteps 800 and 100, and ' +
      'the feed-forwards of the first five blocks for two steps after 720, 640, 560, 480 and 400. Both override every knob but enabled.',
  }),
  ...switchKnobs,
  attention_range: int({
    default: 2,
    min: 1,
    max: 20,
    help: 'Attention is computed once in this many evaluations; 1 always. Higher is faster and less faithful; each attention keeps one copy of the tokens.',
  }),
  temporal_range: int({
    default: 4,
    min: 1,
    max: 20,
    help: 'The same for attention over time, in models that have it apart. It changes less than the spatial one; costs one more copy of the tokens.',
  }),
  cross_range: int({
    default: 6,
    min: 1,
    max: 20,
    help: 'The same for cross-attention to the text, in models that have it apart. It changes least; costs one more copy of the tokens.',
  }),
  mlp_range: int({
    default: 1,
    min: 1,
    max: 20,
    help: 'The same for the feed-forward of the first blocks; 1 computes it always, as in the paper. Faster, and the costliest in fidelity.',
  }),
  mlp_blocks: int({
    default: 5,
    min: 1,
    max: 64,
    help: 'In how many blocks from the first the feed-forward is shared, where the range above is more than 1. More is faster and less faithful.',
  }),
  start: float({
    default: 0.15,
    min: 0,
    max: 1,
    help: 'Share of the noise range after which outputs may be shared. Attention changes fast before: earlier is faster, and changes the layout.',
  }),
  end: float({
    default: 0.85,
    min: 0,
    max: 1,
    help: 'Share of the noise range after which everything is computed again. Attention changes fast then too: later costs fine detail.',
  }),
}

export type PabParams = Values<typeof inputs>

/** In which evaluations a kind of module may be answered with its last output. */
interface Broadcast {
  readonly kind: string
  /** Blocks from the first on. */
  readonly blocks: number
  readonly reuses: (call: Call) => boolean
}

interface Rules {
  readonly forcing: Forcing
  readonly broadcasts: (depth: number) => readonly Broadcast[]
}

const unforced: Forcing = { warmUp: 0, warmUpRule: 'before', forceLast: false, start: 0, end: 1 }

/** Computed once in `range` evaluations, counted from the first, while `inside` holds. */
const every =
  (range: number, inside: (call: Call) => boolean = () => true) =>
  (call: Call): boolean =>
    call.index % range !== 0 && inside(call)

const custom = (params: PabParams): Rules => ({
  forcing: { ...unforced, start: params.start, end: params.end },
  broadcasts: (depth) =>
    [
      { kind: 'attn', blocks: depth, range: params.attention_range },
      { kind: 'temporal', blocks: depth, range: params.temporal_range },
      { kind: 'cross', blocks: depth, range: params.cross_range },
      { kind: 'mlp', blocks: Math.min(params.mlp_blocks, depth), range: params.mlp_range },
    ]
      .filter(({ range }) => range > 1)
      .map(({ kind, blocks, range }) => ({ kind, blocks, reuses: every(range) })),
})

/** Attention differences are small in the middle 70 % of the steps (section 3.1); ranges of PAB246 (section 4). */
const paper: Rules = {
  forcing: unforced,
  broadcasts(depth) {
    const middle = ({ index, total }: Call): boolean => index >= 0.15 * total && index < 0.85 * total
    return [
      { kind: 'attn', blocks: depth, reuses: every(2, middle) },
      { kind: 'temporal', blocks: depth, reuses: every(4, middle) },
      { kind: 'cross', blocks: depth, reuses: every(6, middle) },
    ]
  },
}

/** The code drops the fraction of a timestep; 719.9999999, as division leaves it, is 720. */
const whole = (timestep: number): number => Math.floor(timestep + 1e-6)

/** Timesteps at which the released code computes the feed-forwards that serve the next evaluations, and how many it serves. */
const MLP_TIMESTEPS = [720, 640, 560, 480, 400]
const MLP_SERVED = 2
const MLP_BLOCKS = 5

/**
 * Whether the feed-forward's last output serves here: one of the two evaluations after the first at or below a listed timestep. (The
 * code looks the listed numbers up among the run's timesteps, which are multiples of 20 there and hardly ever elsewhere.)
 */
function mlpServed({ index }: Call, timesteps: readonly number[]): boolean {
  const places = MLP_TIMESTEPS.map((listed) => timesteps.findIndex((time) => whole(time) <= listed))
  const computed = places.some((place) => place === index)
  return !computed && places.some((place) => place >= 0 && index > place && index <= place + MLP_SERVED)
}

const official: Rules = {
  forcing: unforced,
  broadcasts(depth) {
    const between = ({ timestep }: Call): boolean => whole(timestep) > 100 && whole(timestep) < 800
    return [
      { kind: 'attn', blocks: depth, reuses: every(2, between) },
      { kind: 'temporal', blocks: depth, reuses: every(3, between) },
      { kind: 'cross', blocks: depth, reuses: every(6, between) },
      { kind: 'mlp', blocks: Math.min(MLP_BLOCKS, depth), reuses: (call) => mlpServed(call, timestepsOf(call)) },
    ]
  },
}

/** Timesteps of the run's steps; models whose noise level is not their time are told it by the call alone. */
const timestepsOf = ({ sigmas, sigma, timestep }: Call): readonly number[] => {
  const perSigma = sigma === 0 ? 1000 : timestep / sigma
  return sigmas.slice(0, -1).map((level) => level * perSigma)
}

const rulesOf = (params: PabParams): Rules =>
  params.preset === 'paper' ? paper : params.preset === 'official' ? official : custom(params)

const isOff = (params: PabParams): boolean =>
  !params.enabled || (params.preset === 'custom' && custom(params).broadcasts(1).length === 0)

/** What is broadcast of the kinds of modules that this model has. */
const broadcastsFor = (params: PabParams, { depth, modules }: Facts): readonly Broadcast[] =>
  rulesOf(params)
    .broadcasts(depth)
    .filter(({ kind }) => modules.has(kind))

/** The last computed output of each module of one branch, and the evaluation at which the branch was last asked. */
interface BranchState {
  readonly outputs: Map<ModuleKey, ModuleOutput>
  seen: number
}

interface State {
  readonly forcing: Forcing
  readonly broadcasts: readonly Broadcast[]
  readonly branches: PerBranch<BranchState>
}

/** Which modules are answered with what they gave before. A module that never ran, or a branch that sat out, is computed. */
function givenAt(call: Call, { broadcasts }: State, { outputs, seen }: BranchState): Map<ModuleKey, GivenModule> {
  const given = new Map<ModuleKey, GivenModule>()
  if (seen !== call.index - 1) return given
  for (const { kind, blocks, reuses } of broadcasts)
    for (const key of reuses(call) ? keysOf(kind, 0, blocks) : []) {
      const output = outputs.get(key)
      if (output) given.set(key, { output })
    }
  return given
}

/** Modules that are computed now and may be answered at the next evaluation: no other output will ever be used. */
function servingNext(
  call: Call,
  branch: Branch,
  { broadcasts, forcing }: State,
  given: ReadonlyMap<ModuleKey, GivenModule>,
): ReadonlySet<ModuleKey> {
  const served = broadcasts.filter(({ reuses }) =>
    mayCome(call, 1, (next) => forcedBecause(next, branch, forcing) === null && reuses(next)),
  )
  const keys = served.flatMap(({ kind, blocks }) => keysOf(kind, 0, blocks))
  return new Set(keys.filter((key) => !given.has(key)))
}

async function evaluateBranch(call: Call, branch: Branch, denoiser: Denoiser, state: State): Promise<Evaluated> {
  const own = state.branches.of(branch)
  const forced = forcedBecause(call, branch, state.forcing)
  const given = forced === null ? givenAt(call, state, own) : new Map<ModuleKey, GivenModule>()
  const emit = servingNext(call, branch, state, given)
  const { prediction, outputs } = await evaluateByPlan(call, branch, denoiser, { given, emit })
  for (const key of own.outputs.keys()) if (!given.has(key)) own.outputs.delete(key)
  for (const [key, output] of outputs) if (isFiniteOutput(output)) own.outputs.set(key, output)
  own.seen = call.index
  const decision = decisionOf(given, denoiser.facts)
  return { prediction, trace: { decision, ...(forced !== null && decision === 'full' ? { forced } : {}) } }
}

export const pab: CacheMethod<PabParams, State> = {
  id: 'PAB',
  needs(params, facts) {
    if (isOff(params)) return {}
    const kinds = broadcastsFor(params, facts).map(({ kind }) => kind)
    if (kinds.length === 0 && facts.modules.size > 0)
      throw new UnmetNeedsError(
        `PAB: every range that concerns this ${facts.family} model is 1; its modules are ${[...facts.modules].join(', ')}. Raise the range of one.`,
      )
    return needsModules(kinds.length === 0 ? ['attn'] : kinds, facts)
  },
  start: (params, facts) => ({
    forcing: rulesOf(params).forcing,
    broadcasts: broadcastsFor(params, facts),
    branches: new PerBranch(() => ({ outputs: new Map(), seen: -1 })),
  }),
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluateBranch(call, branch, denoiser, state),
    ),
}

export default defineNode({
  type: 'PAB',
  category: 'caching',
  help: 'Shares attention outputs between neighbouring steps in the middle of a run, the calmer kinds for longer; all else is computed at every step. Needs a model whose modules can be run one by one.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(pab, values) }),
})
