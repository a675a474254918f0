/** FasterCache (arXiv 2410.19355): attention outputs carried on along their last change, and the unconditional branch rebuilt from the other. */
import { mayCome } from '../../diffusion/caching/ahead.ts'
import { differenceOf, partsOf, type Difference } from '../../diffusion/caching/branch-difference.ts'
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
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
import { axpy, lerp, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'
import { SCRIPTS, type Script } from './tables/fastercache.ts'

const inputs = {
  preset: choice(
    [
      'custom',
      'paper',
      'official',
      'official-open-sora',
      'official-open-sora-plan',
      'official-latte',
      'official-vchitect',
      'official-mochi',
      'official-diffusers',
    ],
    {
      default: 'custom',
      help:
        "custom uses the knobs below. paper is the paper's text; official is the released script for CogVideoX, the others those for their " +
        'models and that of diffusers. Their step numbers are stretched to the length of the run. All override every knob but enabled.',
    },
  ),
  ...switchKnobs,
  attention_interval: int({
    default: 2,
    min: 1,
    max: 10,
    help: 'Attention is computed once in this many evaluations; 1 always. Higher is faster and less faithful. Keeps two copies of the tokens for every block and branch.',
  }),
  attention_start: float({
    default: 0.3,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the evaluations after which attention may be reused. Earlier is faster, and changes the layout.',
  }),
  weight_first: float({
    default: 0,
    min: 0,
    max: 2,
    step: 0.05,
    help: 'How far a reused attention goes on along its last change where reuse begins: 0 repeats it, 1 adds the whole change. Costs nothing.',
  }),
  weight_last: float({
    default: 1,
    min: 0,
    max: 2,
    step: 0.05,
    help: 'The same at the last evaluation, with a straight line between. The paper goes from 0 to 1, most released scripts stay at 0.3 or 0.5.',
  }),
  uncond_interval: int({
    default: 5,
    min: 1,
    max: 20,
    help: 'With guidance, the unconditional branch is computed once in this many evaluations; 1 always. Higher is faster: at 5 nearly half of the run from its start on.',
  }),
  uncond_start: float({
    default: 0.35,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the evaluations after which the unconditional branch may be rebuilt. Earlier is faster and less faithful.',
  }),
  low_boost: float({
    default: 1.1,
    min: 1,
    max: 2,
    step: 0.01,
    help: "Factor on the low frequencies of the branches' difference in the first part of the run, once more at each skip in a row. Costs nothing; too much makes colours harsh.",
  }),
  high_boost: float({
    default: 1.1,
    min: 1,
    max: 2,
    step: 0.01,
    help: 'The same for the high frequencies in the last part of the run. Costs nothing; too much makes noise.',
  }),
  ...windowKnobs,
}

export type FasterCacheParams = Values<typeof inputs>

interface Rules extends Forcing {
  readonly script: Script
}

/** The knobs as a script. Boosts turn at 80 % (low frequencies) and 60 % (high) of the run, as in the released ones. */
function custom(params: FasterCacheParams): Script {
  const { attention_interval, attention_start, weight_first, weight_last, uncond_interval, uncond_start } = params
  const share = ({ index, total }: Call): number => index / total
  return {
    reusesAttention: (call) => share(call) >= attention_start && call.index % attention_interval !== 0,
    weight(call) {
      const length = (call.total - 1) / call.total - attention_start
      const way = length > 0 ? Math.min(1, (share(call) - attention_start) / length) : 1
      return weight_first + (weight_last - weight_first) * way
    },
    skipsUncond: (call) => share(call) >= uncond_start && call.index % uncond_interval !== 0,
    boost: (call) => ({
      low: share(call) <= 0.8 ? params.low_boost : 1,
      high: share(call) >= 0.6 ? params.high_boost : 1,
    }),
    compounds: true,
    learnsFrom: 'computed',
    besideUncond: true,
    radius: 0.2,
    forceLast: params.force_last,
  }
}

function rulesOf(params: FasterCacheParams): Rules {
  const { preset, start, end } = params
  const script = preset === 'custom' ? custom(params) : SCRIPTS[preset]
  const window = preset === 'custom' ? { start, end } : { start: 0, end: 1 }
  return { script, warmUp: 0, warmUpRule: 'before', forceLast: script.forceLast, ...window }
}

const mayReuseAttention = ({ preset, attention_interval }: FasterCacheParams): boolean =>
  preset !== 'custom' || attention_interval > 1

const mayRebuild = ({ preset, uncond_interval }: FasterCacheParams): boolean =>
  preset !== 'custom' || uncond_interval > 1

const isOff = (params: FasterCacheParams): boolean =>
  !params.enabled || !(mayReuseAttention(params) || mayRebuild(params))

/** The last two outputs of each attention of one branch, and the evaluation at which it was last run. */
interface Attention {
  older: ReadonlyMap<ModuleKey, ModuleOutput>
  newer: ReadonlyMap<ModuleKey, ModuleOutput>
  /** Memory for what is carried on, where that is not learnt. */
  readonly carried: Map<ModuleKey, Float32Array>
  seen: number
}

interface State {
  readonly rules: Rules
  /** Null where attention is always computed: then the model's modules are not needed. */
  readonly attention: PerBranch<Attention> | null
  difference: Difference | null
}

/** newer + weight (newer - older). All attention or none is carried on, so that nobody looks at text tokens: plans are textless. */
function reusable({ older, newer, carried }: Attention, weight: number, learnt: boolean): Map<ModuleKey, GivenModule> {
  const given = new Map<ModuleKey, GivenModule>()
  for (const [key, output] of newer) {
    const before = older.get(key)
    const into = learnt ? undefined : carried.get(key)
    const image = before ? lerp(before.image, output.image, 1 + weight, into) : output.image
    if (before && !learnt) carried.set(key, image.data)
    given.set(key, { output: { image, text: null } })
  }
  return given
}

/** Where one output is not finite, none is kept: attention is computed until it gives something again. */
function push(own: Attention, outputs: ReadonlyMap<ModuleKey, ModuleOutput>): void {
  own.older = own.newer
  own.newer = [...outputs.values()].every(isFiniteOutput) ? outputs : new Map()
}

/** Whether an attention computed now may be one of the last two where one is carried on: at the next evaluation, or at the one after. */
const mayServe = (call: Call, rules: Rules): boolean =>
  [1, 2].some((by) =>
    mayCome(call, by, (later) => forcedBecause(later, 'cond', rules) === null && rules.script.reusesAttention(later)),
  )

/** Runs one branch, its attention computed or carried on. */
async function runBranch(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  state: State,
  reuse: boolean,
): Promise<Evaluated> {
  const own = state.attention?.of(branch)
  if (!own) return inFull(denoiser, call, branch)
  const { script } = state.rules
  const weight = script.weight(call)
  const given = reuse ? reusable(own, weight, script.learnsFrom === 'all') : new Map<ModuleKey, GivenModule>()
  const emit = new Set(given.size === 0 && mayServe(call, state.rules) ? keysOf('attn', 0, denoiser.facts.depth) : [])
  const { prediction, outputs } = await evaluateByPlan(call, branch, denoiser, { given, emit, textless: true })
  if (given.size === 0) push(own, outputs)
  else if (script.learnsFrom === 'all') push(own, new Map([...given].map(([key, { output }]) => [key, output])))
  own.seen = call.index
  const gain = given.size === 0 ? {} : { gain: weight }
  return { prediction, trace: { decision: decisionOf(given, denoiser.facts), ...gain } }
}

/** cond + a low + b high: the exact real form of adding the boosted spectra. */
function rebuilt(call: Call, cond: Tensor, difference: Difference, script: Script) {
  const [{ low, high }, { factors }] = [script.boost(call), difference]
  const now = script.compounds ? { low: factors.low * low, high: factors.high * high } : { low, high }
  const parts = partsOf(difference, script.radius)
  const prediction = axpy(axpy(cond, now.low, parts.low), now.high, parts.high)
  return { prediction, difference: { ...difference, parts, factors: now } }
}

/** Branches that are run: the conditional one alone where the other can be rebuilt from it. */
function branchesToRun(call: Call, forced: string | null, { rules, difference }: State): readonly Branch[] {
  if (forced !== null || !difference || call.branches.length === 1) return call.branches
  return rules.script.skipsUncond(call) ? call.branches.filter((branch) => branch === 'cond') : call.branches
}

/** Whether attention is carried on: not where a branch comes back, whose last outputs are too old (as in the released code). */
function carriesOn(call: Call, forced: string | null, ran: readonly Branch[], { rules, attention }: State): boolean {
  if (forced !== null || !attention || !rules.script.reusesAttention(call)) return false
  if (ran.length > 1 && !rules.script.besideUncond) return false
  return ran.every((branch) => attention.of(branch).seen === call.index - 1)
}

async function evaluate(call: Call, denoiser: Denoiser, state: State): Promise<ReadonlyMap<Branch, Evaluated>> {
  const { script } = state.rules
  const forced = forcedBecause(call, 'cond', state.rules)
  const ran = branchesToRun(call, forced, state)
  const reuse = carriesOn(call, forced, ran, state)
  const run = async (branch: Branch): Promise<readonly [Branch, Evaluated]> => {
    const { prediction, trace } = await runBranch(call, branch, denoiser, state, reuse)
    return [branch, { prediction, trace: { ...trace, ...(forced !== null && { forced }) } }]
  }
  const answers = new Map(await Promise.all(ran.map(run)))
  const [cond, uncond] = [answers.get('cond')?.prediction, answers.get('uncond')?.prediction]
  if (cond && uncond) state.difference = differenceOf(uncond, cond)
  if (cond && state.difference && ran.length < call.branches.length) {
    const { prediction, difference } = rebuilt(call, cond, state.difference, script)
    state.difference = difference
    answers.set('uncond', { prediction, trace: { decision: 'skipped', gain: difference.factors.low } })
  }
  return answers
}

export const fasterCache: CacheMethod<FasterCacheParams, State> = {
  id: 'FasterCache',
  needs: (params, facts) => (!isOff(params) && mayReuseAttention(params) ? needsModules(['attn'], facts) : {}),
  cautions(params, _, run) {
    if (isOff(params) || run?.guidance !== 1) return []
    const left = mayReuseAttention(params)
      ? '; only attention is reused'
      : ', and attention is never reused: nothing is skipped'
    return [`FasterCache: with guidance 1 there is no unconditional branch to rebuild${left}`]
  },
  start: (params) => ({
    rules: rulesOf(params),
    attention: mayReuseAttention(params)
      ? new PerBranch(() => ({ older: new Map(), newer: new Map(), carried: new Map(), seen: -1 }))
      : null,
    difference: null,
  }),
  evaluate: (call, denoiser, state, params) =>
    isOff(params) ? eachBranch(call, (branch) => inFull(denoiser, call, branch)) : evaluate(call, denoiser, state),
}

export default defineNode({
  type: 'FasterCache',
  category: 'caching',
  help: 'Reuses attention along its last change, and rebuilds the unconditional prediction from the conditional one. With attention_interval 1 it runs on any model; else it needs one whose modules can be run one by one.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(fasterCache, values) }),
})
