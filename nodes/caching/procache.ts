/** ProCache (arXiv 2512.17298): full evaluations in a searched pattern; between them all modules are reused, in deep blocks top tokens anew. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  MASS,
  moduleKey,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type GivenModule,
  type ModuleKey,
} from '../../diffusion/caching/contract.ts'
import { REUSE, type Forecast } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import {
  decisionOf,
  evaluateByPlan,
  forecastModule,
  keysOf,
  learnModule,
  needsModules,
  type KnownModule,
  type Planned,
} from '../../diffusion/caching/module-plans.ts'
import {
  chooseTokens,
  tokenNorms,
  tokensInLine,
  tokensToRefresh,
  type Selection,
} from '../../diffusion/caching/token-choice.ts'
import { meanAbs } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, text, toggle, type Values } from '../spec.ts'
import { forecastKnobs, forecastOf, switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'
import { byPattern, bySearch, parseSegments, RELEASED, type Constraints, type Mode } from './tables/procache.ts'

const inputs = {
  preset: choice(['custom', 'paper', 'official', 'official-flux'], {
    default: 'custom',
    help:
      'custom uses the knobs below. paper and official are the pattern and the token refresh published for DiT at 50 steps, judging tokens ' +
      'by the size of what attention gave them or by the attention they receive; official-flux forecasts all modules to second order and ' +
      'refreshes no tokens. Patterns are stretched to the run. All override every knob but enabled.',
  }),
  ...switchKnobs,
  budget: float({
    default: 0.34,
    min: 0.02,
    max: 1,
    step: 0.02,
    help: 'Share of the evaluations computed in full; 1 is off. Lower is faster and less faithful; 0.22 to 0.42 were published.',
  }),
  fewest_reuses: int({
    default: 1,
    min: 0,
    max: 20,
    help: 'Fewest reuses after a full evaluation: how dense the pattern is at the end of the run. Higher leaves more full ones for the start.',
  }),
  most_reuses: int({
    default: 3,
    min: 1,
    max: 20,
    help: 'Most reuses after a full evaluation: how sparse the pattern is at the start. Higher risks the layout; up to 5 was published.',
  }),
  pattern: text({
    default: '',
    help: "A pattern of your own instead of the searched one, as segment lengths times counts: '4x6 3x4 2x7' is six full evaluations with three reuses each, and so on. It sets speed and fidelity by itself.",
  }),
  refresh: toggle({
    default: true,
    help: 'At every second reuse, compute the feed-forward of the deep blocks anew for the tokens that need it most. A few per cent slower, and more faithful. Not with a forecast.',
  }),
  depth_share: float({
    default: 0.25,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the blocks, from the last, in which tokens are refreshed. More is slower and more faithful.',
  }),
  token_ratio: float({
    default: 0.07,
    min: 0,
    max: 1,
    step: 0.01,
    help: 'How many tokens are refreshed: at 0.07 none in the first quarter of the run, a fifth in its middle, 60 % at its end. More is slower and more faithful.',
  }),
  importance: choice(['output', 'attention'], {
    default: 'output',
    help: 'What makes a token important: the size of what attention gave it (the paper), or the attention it receives (the code), which has to be computed apart at full evaluations and costs memory for all pairs of tokens.',
  }),
  ...windowKnobs,
  ...forecastKnobs,
}

export type ProCacheParams = Values<typeof inputs>

interface Rules extends Forcing {
  readonly modes: (total: number) => readonly Mode[]
  /** Evaluations at the start that are full whatever the pattern says. */
  readonly firstFull: number
  readonly forecast: Forecast
  /** Null where no tokens are refreshed. */
  readonly selection: {
    readonly depthShare: number
    readonly ratio: number
    readonly importance: ProCacheParams['importance']
  } | null
}

function custom(params: ProCacheParams): Rules {
  const { budget, fewest_reuses: fewest, most_reuses: most, pattern, force_last, start, end } = params
  const constraints = (total: number): Constraints => ({
    budget: Math.max(1, Math.round(budget * total)),
    fewest,
    most: Math.max(fewest, most),
  })
  return {
    modes: pattern.trim() === '' ? bySearch(constraints) : byPattern(parseSegments(pattern) ?? []),
    firstFull: 1,
    forecast: forecastOf(params),
    selection:
      params.refresh && params.forecast === 0
        ? { depthShare: params.depth_share, ratio: params.token_ratio, importance: params.importance }
        : null,
    ...{ warmUp: 0, warmUpRule: 'before', forceLast: force_last, start, end },
  }
}

const official: Rules = {
  modes: byPattern(RELEASED.dit),
  firstFull: 1,
  forecast: REUSE,
  selection: { depthShare: 0.25, ratio: 0.07, importance: 'attention' },
  ...{ warmUp: 0, warmUpRule: 'before', forceLast: false, start: 0, end: 1 },
}

const PRESETS: Readonly<Record<ProCacheParams['preset'], (params: ProCacheParams) => Rules>> = {
  custom,
  paper: () => ({ ...official, selection: { depthShare: 0.25, ratio: 0.07, importance: 'output' } }),
  official: () => official,
  // TaylorSeer's forecast of every module; the first slope is taken at evaluation 2, marks for refreshing are ignored.
  'official-flux': () => ({
    ...official,
    modes: byPattern(RELEASED.flux),
    firstFull: 3,
    forecast: { ...REUSE, order: 2, slopesFrom: 2 },
    selection: null,
  }),
}

const isOff = ({ enabled, preset, budget, pattern }: ProCacheParams): boolean =>
  !enabled || (preset === 'custom' && budget === 1 && pattern.trim() === '')

/** State of one branch. */
interface BranchState {
  readonly known: Map<ModuleKey, KnownModule>
  /** Importance of the image tokens at the last full evaluation and how long each was not refreshed, by deep block. */
  readonly scores: Map<number, Selection>
  /** Whether every module is known. */
  whole: boolean
  seen: number
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

const deepFrom = (depth: number, { selection }: Rules): number =>
  selection ? depth - Math.round(depth * selection.depthShare) : depth

/** Why this evaluation has to be full, or null when the pattern may have its way. */
function mustCompute(call: Call, branch: Branch, { rules }: State, { whole, seen }: BranchState): string | null {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return forced
  if (call.index < rules.firstFull) return 'warm-up'
  return whole && seen === call.index - 1 ? null : 'no-anchor'
}

/** Takes in a full evaluation: every module, unless what came of them is not finite, and what the tokens of deep blocks are worth. */
function takeIn(
  call: Call,
  own: BranchState,
  { prediction, outputs }: Planned,
  { forecast, selection }: Rules,
  deep: number,
): void {
  const [before, size] = [new Map(own.known), meanAbs(prediction)]
  own.known.clear()
  for (const [key, output] of outputs) {
    const [kind, block] = [key.split('.')[0], Number(key.split('.')[1])]
    if (kind !== MASS) {
      const known = learnModule(before.get(key), call, output, forecast, size)
      if (known) own.known.set(key, known)
    }
    if (kind !== MASS && (kind !== 'attn' || selection?.importance !== 'output' || block < deep)) continue
    const worth = kind === MASS ? Float64Array.from(output.image.data) : tokenNorms(output.image)
    own.scores.set(block, { importance: worth, idle: new Int32Array(worth.length) })
  }
  own.whole = [...outputs.keys()].every((key) => key.startsWith(MASS) || own.known.has(key))
}

/** What is kept of modules serves to answer all of them: text tokens are then never looked at, so that plans are textless. */
async function runFull(call: Call, branch: Branch, denoiser: Denoiser, state: State): Promise<Evaluated['prediction']> {
  const { depth, modules } = denoiser.facts
  const { rules } = state
  const own = state.branches.of(branch)
  const next = rules.modes(call.total)[call.index + 1] ?? 'full'
  if (next === 'full' && rules.forecast.order === 0) {
    // Nothing of this evaluation will be used again.
    own.known.clear()
    own.whole = false
    return denoiser.predict(call, branch)
  }
  const mass = rules.selection?.importance === 'attention' ? keysOf(MASS, deepFrom(depth, rules), depth) : []
  const emit = new Set([...[...modules].flatMap((kind) => keysOf(kind, 0, depth)), ...mass])
  const made = await evaluateByPlan(call, branch, denoiser, { emit, textless: true })
  takeIn(call, own, made, rules, deepFrom(depth, rules))
  return made.prediction
}

/** Answers with what the modules gave, deep feed-forwards partly anew. */
async function runReuse(call: Call, branch: Branch, denoiser: Denoiser, state: State, mode: Mode): Promise<Evaluated> {
  const { depth } = denoiser.facts
  const { rules } = state
  const own = state.branches.of(branch)
  const given = new Map<ModuleKey, GivenModule>()
  for (const [key, known] of own.known) given.set(key, { output: forecastModule(known, call, rules.forecast) })
  const emit = new Set<ModuleKey>()
  if (mode === 'selective' && rules.selection)
    for (let block = deepFrom(depth, rules); block < depth; block++) {
      const key = moduleKey('mlp', block)
      const [answer, selection] = [given.get(key), own.scores.get(block)]
      if (!answer || !selection) continue
      const tokens = answer.output.image.shape[1] ?? 0
      const count = tokensToRefresh(tokens, rules.selection.ratio, block, depth, call)
      const refresh = chooseTokens(selection, count, tokensInLine(call.latent.shape, tokens))
      if (refresh.length === 0) continue
      given.set(key, { ...answer, refresh })
      emit.add(key)
    }
  const { prediction, outputs } = await evaluateByPlan(call, branch, denoiser, { given, emit, textless: true })
  for (const [key, output] of outputs) {
    const mixed = learnModule(undefined, call, output, rules.forecast, meanAbs(prediction))
    if (mixed) own.known.set(key, mixed)
  }
  return { prediction, trace: { decision: decisionOf(given, denoiser.facts) } }
}

async function evaluateBranch(call: Call, branch: Branch, denoiser: Denoiser, state: State): Promise<Evaluated> {
  const own = state.branches.of(branch)
  const forced = mustCompute(call, branch, state, own)
  own.seen = call.index
  const mode = state.rules.modes(call.total)[call.index] ?? 'full'
  if (forced === null && mode !== 'full') return runReuse(call, branch, denoiser, state, mode)
  const prediction = await runFull(call, branch, denoiser, state)
  return { prediction, trace: { decision: 'full', ...(forced === null ? {} : { forced }) } }
}

const rulesOf = (params: ProCacheParams): Rules => PRESETS[params.preset](params)

export const proCache: CacheMethod<ProCacheParams, State> = {
  id: 'ProCache',
  needs(params, facts) {
    if (isOff(params)) return {}
    const mass = rulesOf(params).selection?.importance === 'attention' ? { taps: ['attention mass'] } : {}
    return { ...needsModules([...new Set(['attn', 'mlp', ...facts.modules])], facts), ...mass }
  },
  start: (params) => ({
    rules: rulesOf(params),
    branches: new PerBranch(() => ({ known: new Map(), scores: new Map(), whole: false, seen: -1 })),
  }),
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluateBranch(call, branch, denoiser, state),
    ),
}

export default defineNode({
  type: 'ProCache',
  category: 'caching',
  help: 'Computes some steps in full, in a pattern that is sparse at the start and dense at the end; between them it adds what every module gave before, with the gates of now. Needs a model whose modules can be run one by one.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end, pattern }) => {
    const broken = pattern !== undefined && pattern.trim() !== '' && !parseSegments(pattern)
    return broken
      ? {
          ...windowFaults(start, end),
          pattern: `'${pattern}' is no pattern: write segment lengths times counts, as in '4x6 3x4 2x7'`,
        }
      : windowFaults(start, end)
  },
  run: (values) => ({ CACHE: configure(proCache, values) }),
})
