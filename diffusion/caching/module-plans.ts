/** Evaluations of a branch by a plan over all modules: shared by the methods that reuse attention and feed-forward outputs. */
import type {
  Branch,
  Call,
  Decision,
  Denoiser,
  Facts,
  GivenModule,
  ModuleKey,
  ModuleOutput,
  ModulePlan,
  Needs,
} from './contract.ts'
import { moduleKey } from './contract.ts'
import { isFiniteTensor, type Tensor } from '../tensor.ts'
import { forecastValue, learn, type Differences, type Forecast } from './estimators.ts'

/** What every such method asks for: the modules, and a way in after the embedding and out before the head. */
export const needsModules = (kinds: readonly string[], { depth }: Facts): Needs => ({
  cuts: [0, depth],
  modules: kinds,
})

/** The modules of a kind in blocks [from, to). */
export const keysOf = (kind: string, from: number, to: number): readonly ModuleKey[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => moduleKey(kind, from + i))

/** What came of a plan over all blocks: the prediction, and the outputs that the plan emits. */
export interface Planned {
  readonly prediction: Tensor
  readonly outputs: ReadonlyMap<ModuleKey, ModuleOutput>
}

/** Runs all blocks by a plan and the head. */
export async function evaluateByPlan(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  plan: ModulePlan,
): Promise<Planned> {
  const input = await denoiser.embed(call, branch)
  const { hidden, outputs } = await denoiser.modules(input, 0, denoiser.facts.depth, plan)
  return { prediction: await denoiser.head(hidden), outputs }
}

/** 'full' when every module is run, 'skipped' when none is, not even for some tokens, else 'partial'. */
export function decisionOf(given: ReadonlyMap<ModuleKey, GivenModule>, { depth, modules }: Facts): Decision {
  if (given.size === 0) return 'full'
  const none = given.size === depth * modules.size && [...given.values()].every(({ refresh }) => !refresh)
  return none ? 'skipped' : 'partial'
}

/** Whether an output may be used again. */
export const isFiniteOutput = ({ image, text }: ModuleOutput): boolean =>
  isFiniteTensor(image) && (!text || isFiniteTensor(text))

/** What the computed evaluations so far say of one module's output. */
export interface KnownModule {
  readonly image: Differences
  readonly text: Differences | null
}

/**
 * Takes in an output computed at `call`; null when it is not finite, or when `size` is not: the mean magnitude of the prediction that came
 * of it, where that is known. A value that is not finite makes its token so in every later block, and the prediction.
 */
export function learnModule(
  before: KnownModule | undefined,
  call: Call,
  { image, text }: ModuleOutput,
  forecast: Forecast,
  size?: number,
): KnownModule | null {
  const known = learn(before?.image ?? null, call, image, forecast, size)
  const knownText = text && learn(before?.text ?? null, call, text, forecast, size)
  return known && (!text || knownText) ? { image: known, text: knownText } : null
}

/** The output as it is forecast for `call`; the newest one itself where nothing is added to it. */
export const forecastModule = ({ image, text }: KnownModule, call: Call, forecast: Forecast): ModuleOutput => ({
  image: forecastValue(image, call, forecast),
  text: text && forecastValue(text, call, forecast),
})
