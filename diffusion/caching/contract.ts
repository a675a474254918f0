/** The contract between a caching method and a denoiser: what a method is told, may ask for, and must give back. */
import type { Tensor } from '../tensor.ts'

/** Guidance branches by name; state is never keyed by call parity. */
export type Branch = 'cond' | 'uncond'

/** One evaluation of the denoiser for ONE sample: every guidance branch at one noise level. */
export interface Call {
  /** Counts model evaluations from 0, not sampler steps: Heun makes two per step. */
  readonly index: number
  /** How many evaluations this run will make in all. */
  readonly total: number
  /** Noise level of the latent: 1 is pure noise for flow models, 0 is clean. */
  readonly sigma: number
  /** The time the model is told, in training steps: 1000 is pure noise, 0 is clean; may lie between whole steps. */
  readonly timestep: number
  /** The run's noise levels, falling: one more than it has steps. A sampler may evaluate at levels between them. */
  readonly sigmas: readonly number[]
  /** Scale g of the guided prediction uncond + g (cond - uncond); 1 where there is no unconditional branch. */
  readonly guidance: number
  /** Levels of all evaluations by index, where the sampler makes one at each of `sigmas` but the last; else absent. */
  readonly path?: readonly Pick<Call, 'sigma' | 'timestep'>[]
  /** Share of the run's noise range already behind, 0 at the first evaluation and 1 at sigma 0: what `start`/`end` windows refer to. */
  readonly progress: number
  /** The noisy latent as the model takes it: [1, C, H, W] (video: [1, C, F, H, W]). */
  readonly latent: Tensor
  /** Row of the sample in the batch. */
  readonly sample: number
  readonly branches: readonly Branch[]
}

/** Tokens between two blocks, for one sample and branch. */
export interface Hidden {
  /** Image tokens [1, image tokens, width]. */
  readonly image: Tensor
  /** Text tokens [1, text tokens, width] where the family has a text stream that blocks change, else null. */
  readonly text: Tensor | null
  /** What else the blocks need (time embedding, rotary tables); private to the family, passed on untouched. */
  readonly context: unknown
}

/**
 * What one module gave for one sample and branch, after its output projection and before its gate: what the block would multiply
 * by its gate and add. It is the method's to keep: no run writes to it again.
 */
export interface ModuleOutput {
  /** [1, image tokens, width]. */
  readonly image: Tensor
  /** [1, text tokens, width] where the module works on text tokens that blocks change, else null. */
  readonly text: Tensor | null
}

/** One module of one block by name, e.g. 'attn.3': the kind, then the block's index. */
export type ModuleKey = `${string}.${number}`

/**
 * Kind of the key under which a plan emits what tokens of a block receive of its attention, where `Facts.taps` has 'attention mass':
 * image [1, image tokens] and text [1, text tokens], summed over all queries, mean of the heads. Only of an attention that is run.
 */
export const MASS = 'mass'

export const moduleKey = (kind: string, block: number): ModuleKey => `${kind}.${block}`

/** A module that is not simply run: its output as given or, where `refresh` lists image tokens, computed anew for just those. */
export interface GivenModule {
  readonly output: ModuleOutput
  /** Rising indices of image tokens, at least one. Only for kinds that look at one token at a time ('mlp'). */
  readonly refresh?: readonly number[]
}

/** How the modules of a range of blocks are to be answered; whatever it does not name is run. */
export interface ModulePlan {
  readonly given?: ReadonlyMap<ModuleKey, GivenModule>
  /** Modules whose outputs come back, as run or as refreshed. */
  readonly emit?: ReadonlySet<ModuleKey>
  /**
   * Outputs come back without text, and given ones need none: nothing is added to the text tokens for them. For methods that give all
   * attention behind a module that they give: then nobody looks at those text tokens again.
   */
  readonly textless?: boolean
}

/** A range of blocks after a plan: the tokens, and the outputs asked for. */
export interface ModuleRun {
  readonly hidden: Hidden
  readonly outputs: ReadonlyMap<ModuleKey, ModuleOutput>
}

/** What a model can offer to a caching method. */
export interface Facts {
  /** Registry name of the family, e.g. 'flux'. */
  readonly family: string
  /** Number of blocks between embed and head (FLUX: double blocks first, then single blocks). */
  readonly depth: number
  /** Block indices at which the graph can be left and entered again; 0 is after embed, `depth` before head. */
  readonly cuts: ReadonlySet<number>
  /**
   * How many skip connections a U-Net has, 0 or absent for others: what stands at cut i is kept for block depth - 1 - i, which takes it
   * beside the tokens. At `cuts` tokens have the shape that they have after embed and skip tensors are no concern; others can be used as
   * `Needs.skips` says.
   */
  readonly skips?: number
  /** Module kinds whose outputs can be emitted and taken back ('attn', 'mlp'); every block has one of each. */
  readonly modules: ReadonlySet<string>
  /**
   * Further tensors that can be read: 'modulated', the image tokens as the first block's attention takes them (norm, scale and
   * shift of its adaptive layer norm) [1, image tokens, width], and 'temb', the time embedding [1, width]. 'attention mass' is not tapped
   * but emitted by a plan, see `MASS`.
   */
  readonly taps: ReadonlySet<string>
}

/** What a method may know of the sampling run it is bound to: a calibration belongs to a model and to noise levels. */
export interface RunFacts {
  /** Name of the model: a folder or a file, e.g. 'heddle-flux-mini'. */
  readonly model: string
  /** Name of the sampler, e.g. 'euler'. */
  readonly sampler: string
  /** Classifier-free guidance scale. */
  readonly guidance: number
  /** Falling noise levels of the run, as the sampler gets them: one more than it makes steps. */
  readonly sigmas: readonly number[]
  /** What the model's prediction is: of a flow and of the noise it is the slope dx/dsigma of the sampler's path, of 'v' it is not. */
  readonly predicts?: 'flow' | 'epsilon' | 'v'
}

/** A denoiser, whole and in parts, for one sampling run. Every call of it is counted by the report. */
export interface Denoiser {
  readonly facts: Facts
  /** The plain forward pass: the same numbers as embed, blocks(0, depth), head. Prediction shaped like `call.latent`. */
  predict(call: Call, branch: Branch): Promise<Tensor>
  embed(call: Call, branch: Branch): Promise<Hidden>
  /**
   * Runs blocks [from, to) on `hidden`. The image tokens that `embed` and `blocks` give are in memory of their own: a method that reads them
   * no more may write over them, but not on a U-Net, where they may be skip tensors too.
   */
  blocks(hidden: Hidden, from: number, to: number): Promise<Hidden>
  /** Runs blocks [from, to) on `hidden` by a plan: modules whose output is given are not computed. Needs `facts.modules`. */
  modules(hidden: Hidden, from: number, to: number, plan: ModulePlan): Promise<ModuleRun>
  /** Reads one of `facts.taps` from the state before the first block. Costs what it computes, not a block. */
  tap(hidden: Hidden, name: string): Promise<Tensor>
  /** Image tokens to prediction, shaped like the latent, in memory of its own: the tokens may be written over once it is there. */
  head(hidden: Hidden): Promise<Tensor>
}

/** How one branch of one evaluation was answered; 'full' all blocks at once, 'resumed' all blocks after a probe. */
export type Decision = 'full' | 'resumed' | 'skipped' | 'partial'

/** What a method tells the report about its decision. Blocks and milliseconds are counted by the wrapper, never by the method. */
export interface Trace {
  readonly decision: Decision
  /** Drift measured at this call, if any. */
  readonly drift?: number
  /** Drift summed since the last computed call, before any reset. */
  readonly accumulated?: number
  /** Extrapolation gain used on a skip. */
  readonly gain?: number
  /** Why a computation was forced: 'first', 'warm-up', 'last', 'window', 'no-anchor', 'non-finite'. */
  readonly forced?: string
}

/** The answer for one branch: its prediction and how it came about. */
export interface Evaluated {
  readonly prediction: Tensor
  readonly trace: Trace
}

/** What a method cannot do without; checked before anything runs. */
export interface Needs {
  readonly cuts?: readonly number[]
  /**
   * Skip connections of a U-Net between which blocks are left out: the model is left at cut i and entered again at cut depth - 1 - i,
   * with tokens that stood there at another evaluation.
   */
  readonly skips?: readonly number[]
  readonly modules?: readonly string[]
  readonly taps?: readonly string[]
}

/** A caching method, written for one sample; every sample and guidance branch decides for itself. */
export interface CacheMethod<Params, State> {
  /** Class name of its node, e.g. 'DiCache'. */
  readonly id: string
  needs(params: Params, facts: Facts, run?: RunFacts): Needs
  /** What the user should know of these settings on this model and run, a sentence each; nothing is refused for it. */
  cautions?(params: Params, facts: Facts, run?: RunFacts): readonly string[]
  /** Fresh state for one sample of one sampling run: the only place where state is made. */
  start(params: Params, facts: Facts, run?: RunFacts): State
  evaluate(call: Call, denoiser: Denoiser, state: State, params: Params): Promise<ReadonlyMap<Branch, Evaluated>>
}

/** A method bound to its parameters: the immutable configuration that a CACHE link carries. */
export interface CacheConfiguration {
  readonly method: string
  /** Parameters as the user set them, for reports. */
  readonly params: Readonly<Record<string, unknown>>
  /** The method's sentences for the report of a run; see CacheMethod. */
  cautions?(facts: Facts, run?: RunFacts): readonly string[]
  /** What the method asks of a model with these parameters. */
  needs(facts: Facts, run?: RunFacts): Needs
  /** The same method with some parameters changed; throws for a name or a type of value that it does not have. */
  with(changes: Readonly<Record<string, unknown>>): CacheConfiguration
  /** Checks the needs (throws UnmetNeedsError) and returns a factory of per-sample evaluators for one run. */
  bind(facts: Facts, run?: RunFacts): () => (call: Call, denoiser: Denoiser) => Promise<ReadonlyMap<Branch, Evaluated>>
}

/** A method needs what this model cannot offer; nothing has run. */
export class UnmetNeedsError extends Error {
  override readonly name = 'UnmetNeedsError'
}

function unmet(needs: Needs, facts: Facts): string[] {
  const { skips: wanted = [] } = needs
  const crossed = new Set(wanted.flatMap((skip) => [skip, facts.depth - 1 - skip]))
  const skips = wanted
    .filter((skip) => skip >= (facts.skips ?? 0))
    .map((skip) => `the skip connection ${skip} of a U-Net`)
  const cuts = (needs.cuts ?? [])
    .filter((cut) => !facts.cuts.has(cut) && !crossed.has(cut))
    .map((cut) => `a cut at block ${cut}`)
  const modules = (needs.modules ?? []).filter((kind) => !facts.modules.has(kind)).map((kind) => `'${kind}' outputs`)
  const taps = (needs.taps ?? []).filter((name) => !facts.taps.has(name)).map((name) => `the tensor '${name}'`)
  return [...cuts, ...skips, ...modules, ...taps]
}

const offered = (names: ReadonlySet<string>): string => [...names].join(', ') || 'none'

function checkChanges(method: string, params: object, changes: object): void {
  const known = new Map(Object.entries(params))
  for (const [name, value] of Object.entries(changes)) {
    if (!known.has(name)) throw new Error(`${method} has no '${name}'; it has ${[...known.keys()].join(', ')}`)
    const [expected, received] = [typeof known.get(name), typeof value]
    if (expected !== received) throw new Error(`${method}, ${name}: expected a ${expected}, received a ${received}`)
  }
}

/** Binds a method to parameters; the result holds no state. */
export function configure<Params extends object, State>(
  method: CacheMethod<Params, State>,
  params: Params,
): CacheConfiguration {
  return {
    method: method.id,
    params: { ...params } as Readonly<Record<string, unknown>>,
    cautions: (facts, run) => method.cautions?.(params, facts, run) ?? [],
    needs: (facts, run) => method.needs(params, facts, run),
    with(changes) {
      checkChanges(method.id, params, changes)
      return configure(method, { ...params, ...changes })
    },
    bind(facts, run) {
      const missing = unmet(method.needs(params, facts, run), facts)
      if (missing.length > 0)
        throw new UnmetNeedsError(
          `${method.id} needs ${missing.join(', ')}; the ${facts.family} model has ${facts.depth} blocks with cuts at ` +
            `${facts.cuts.size === 0 ? 'none' : [...facts.cuts].join(', ')}, modules ${offered(facts.modules)}, tensors ` +
            `${offered(facts.taps)}. Lower the setting or use another method.`,
        )
      return () => {
        const state = method.start(params, facts, run)
        return (call, denoiser) => method.evaluate(call, denoiser, state, params)
      }
    },
  }
}
