/** EasyCache (arXiv 2507.02860): the output's change is foretold from the latent's; while it is small, not even the head runs. */
import { eachBranch, PerBranch } from '../../diffusion/caching/branches.ts'
import { ChangeRate, type ChangeRateRules } from '../../diffusion/caching/change-rate.ts'
import {
  configure,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Trace,
} from '../../diffusion/caching/contract.ts'
import { add, meanAbs, sub, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, type Values } from '../spec.ts'
import { comfyInputs, isInside, optionalSwitch, percentFaults, windowOf, type SigmaWindow } from './knobs/comfyui.ts'

const inputs = {
  ...comfyInputs,
  preset: choice(['comfyui', 'official', 'custom'], {
    default: 'comfyui',
    optional: true,
    help:
      "comfyui is ComfyUI's node, which sums distances from the last computed step at every 8th cell (hence the high threshold). official is the authors' script: " +
      'neighbouring steps, every cell, 5 first steps (10 on WAN) and the last computed, 0.05 on WAN, 0.025 on HunyuanVideo, else the threshold above, no window. ' +
      'custom is that with the window above, and each guidance branch deciding for itself.',
  }),
  enabled: optionalSwitch,
}

type Knobs = Omit<Values<typeof inputs>, 'model' | 'verbose'>
export type EasyCacheParams = Knobs & SigmaWindow

interface Rules extends ChangeRateRules {
  readonly threshold: number
  /** Evaluations at the start that are always computed. */
  readonly warmUp: number
  readonly forceLast: boolean
  readonly window: SigmaWindow | null
  /** Who decides: the conditional branch for both, the negative one (which ComfyUI runs first), or each for itself. */
  readonly leader: 'cond' | 'negative' | 'each'
  /** ComfyUI learns nothing before its window. */
  readonly learns: 'always' | 'inside'
}

const OFFICIAL: Readonly<Record<string, { readonly threshold: number; readonly warmUp: number }>> = {
  wan: { threshold: 0.05, warmUp: 10 },
  'hunyuan-video': { threshold: 0.025, warmUp: 5 },
}

const official = ({ reuse_threshold: threshold }: EasyCacheParams, family: string): Rules => ({
  ...(OFFICIAL[family] ?? { threshold, warmUp: 5 }),
  since: 'call',
  stride: 1,
  forceLast: true,
  window: null,
  leader: 'cond',
  learns: 'always',
})

const PRESETS: Readonly<Record<EasyCacheParams['preset'], (params: EasyCacheParams, family: string) => Rules>> = {
  official,
  custom: (params) => ({
    ...official(params, ''),
    warmUp: 1,
    leader: 'each',
    window: params,
  }),
  comfyui: (params) => ({
    threshold: params.reuse_threshold,
    since: 'computed',
    stride: 8,
    warmUp: 1,
    forceLast: false,
    window: params,
    leader: 'negative',
    learns: 'inside',
  }),
}

const isOff = ({ enabled, reuse_threshold: threshold }: EasyCacheParams): boolean => !enabled || threshold === 0

interface State {
  readonly rules: Rules
  /** By the branch that leads. */
  readonly gates: PerBranch<ChangeRate>
  /** Output less input of each branch's last computed evaluation. */
  readonly differences: Map<Branch, Tensor>
}

function forcedBecause({ index, total, sigma }: Call, { warmUp, forceLast, window }: Rules): string | null {
  if (index === 0) return 'first'
  if (index < warmUp) return 'warm-up'
  if (forceLast && index === total - 1) return 'last'
  return window && !isInside(sigma, window) ? 'window' : null
}

/** The leader's verdict: a trace of what was measured, and whether to skip. */
function judge(call: Call, leader: Branch, { rules, gates, differences }: State): { skip: boolean; trace: Trace } {
  const gate = gates.of(leader)
  const forced = forcedBecause(call, rules)
  const change = forced === null && differences.has(leader) ? gate.predict(call.latent) : null
  gate.see(call.latent)
  if (change === null) {
    if (forced !== null) gate.clear()
    return { skip: false, trace: { decision: 'full', forced: forced ?? 'no-anchor' } }
  }
  const accumulated = gate.add(change)
  const skip = accumulated < rules.threshold
  if (!skip) gate.clear()
  return { skip, trace: { decision: skip ? 'skipped' : 'full', drift: change, accumulated } }
}

async function compute(call: Call, branch: Branch, denoiser: Denoiser, { differences }: State): Promise<Tensor> {
  const prediction = await denoiser.predict(call, branch)
  differences.set(branch, sub(prediction, call.latent))
  return prediction
}

/** Whether the gate learns from this evaluation. */
function learns({ sigma }: Call, { learns, window }: Rules): boolean {
  return learns === 'always' || !window || isInside(sigma, window)
}

/** Branches that follow one leader. */
async function evaluateGroup(
  call: Call,
  group: readonly Branch[],
  denoiser: Denoiser,
  state: State,
): Promise<readonly (readonly [Branch, Evaluated])[]> {
  const leader = group[0]!
  const { skip, trace } = judge(call, leader, state)
  const answers = group.map(async (branch): Promise<readonly [Branch, Evaluated]> => {
    const difference = state.differences.get(branch)
    if (skip && difference) return [branch, { prediction: add(call.latent, difference), trace }]
    const prediction = await compute(call, branch, denoiser, state)
    return [branch, { prediction, trace: skip ? { decision: 'full', forced: 'no-anchor' } : trace }]
  })
  const evaluated = await Promise.all(answers)
  if (!skip && learns(call, state.rules)) {
    const predictions = evaluated.map(([, { prediction }]) => prediction)
    // ComfyUI takes the size over the whole batch of branches.
    const sizes = predictions.map(meanAbs)
    const size = sizes.reduce((sum, one) => sum + one, 0) / sizes.length
    state.gates.of(leader).learn(call.latent, predictions[0]!, true, size)
  }
  return evaluated
}

/** The branches of a call by who decides for them, the leader first. */
function groupsOf({ branches }: Call, { leader }: Rules): readonly (readonly Branch[])[] {
  if (leader === 'each') return branches.map((branch) => [branch])
  return [leader === 'cond' ? branches : [...branches].reverse()]
}

export const easyCache: CacheMethod<EasyCacheParams, State> = {
  id: 'EasyCache',
  needs: () => ({}),
  start(params, { family }) {
    const rules = PRESETS[params.preset](params, family)
    return { rules, gates: new PerBranch(() => new ChangeRate(rules)), differences: new Map() }
  },
  async evaluate(call, denoiser, state, params) {
    if (isOff(params))
      return eachBranch(call, async (branch) => ({
        prediction: await denoiser.predict(call, branch),
        trace: { decision: 'full' },
      }))
    const groups = groupsOf(call, state.rules).map((group) => evaluateGroup(call, group, denoiser, state))
    const answers = new Map((await Promise.all(groups)).flat())
    return new Map(call.branches.map((branch) => [branch, answers.get(branch)!]))
  },
}

export default defineNode({
  type: 'EasyCache',
  category: 'caching',
  help: "Puts EasyCache on a model, as ComfyUI's node does: whole steps are skipped while the latent has moved little. Runs on any model.",
  inputs,
  outputs: { MODEL: 'MODEL' },
  validate: ({ start_percent: start, end_percent: end }) => percentFaults(start, end),
  run({ model, preset, enabled, reuse_threshold, start_percent, end_percent }) {
    const window = windowOf(start_percent, end_percent, model.parametrisation)
    const params = { preset, enabled, reuse_threshold, start_percent, end_percent, ...window }
    return { MODEL: { ...model, cache: configure(easyCache, params) } }
  },
})
