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

/** What a model can offer to a caching method. */
export interface Facts {
  /** Registry name of the family, e.g. 'flux'. */
  readonly family: string
  /** Number of blocks between embed and head (FLUX: double blocks first, then single blocks). */
  readonly depth: number
  /** Block indices at which the graph can be left and entered again; 0 is after embed, `depth` before head. */
  readonly cuts: ReadonlySet<number>
  /** Module kinds whose outputs can be emitted and taken back ('attn', 'mlp'). */
  readonly modules: ReadonlySet<string>
}

/** A denoiser, whole and in parts, for one sampling run. Every call of it is counted by the report. */
export interface Denoiser {
  readonly facts: Facts
  /** The plain forward pass: the same numbers as embed, blocks(0, depth), head. Prediction shaped like `call.latent`. */
  predict(call: Call, branch: Branch): Promise<Tensor>
  embed(call: Call, branch: Branch): Promise<Hidden>
  /** Runs blocks [from, to) on `hidden`. */
  blocks(hidden: Hidden, from: number, to: number): Promise<Hidden>
  /** Image tokens to prediction, shaped like the latent. */
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
  readonly modules?: readonly string[]
}

/** A caching method, written for one sample; every sample and guidance branch decides for itself. */
export interface CacheMethod<Params, State> {
  /** Class name of its node, e.g. 'DiCache'. */
  readonly id: string
  needs(params: Params, facts: Facts): Needs
  /** Fresh state for one sample of one sampling run: the only place where state is made. */
  start(params: Params, facts: Facts): State
  evaluate(call: Call, denoiser: Denoiser, state: State, params: Params): Promise<ReadonlyMap<Branch, Evaluated>>
}

/** A method bound to its parameters: the immutable configuration that a CACHE link carries. */
export interface CacheConfiguration {
  readonly method: string
  /** Parameters as the user set them, for reports. */
  readonly params: Readonly<Record<string, unknown>>
  /** Checks the needs (throws UnmetNeedsError) and returns a factory of per-sample evaluators for one run. */
  bind(facts: Facts): () => (call: Call, denoiser: Denoiser) => Promise<ReadonlyMap<Branch, Evaluated>>
}

/** A method needs what this model cannot offer; nothing has run. */
export class UnmetNeedsError extends Error {
  override readonly name = 'UnmetNeedsError'
}

function unmet(needs: Needs, facts: Facts): string[] {
  const cuts = (needs.cuts ?? []).filter((cut) => !facts.cuts.has(cut)).map((cut) => `a cut at block ${cut}`)
  const modules = (needs.modules ?? []).filter((kind) => !facts.modules.has(kind)).map((kind) => `'${kind}' outputs`)
  return [...cuts, ...modules]
}

/** Binds a method to parameters; the result holds no state. */
export function configure<Params extends object, State>(
  method: CacheMethod<Params, State>,
  params: Params,
): CacheConfiguration {
  return {
    method: method.id,
    params: { ...params } as Readonly<Record<string, unknown>>,
    bind(facts) {
      const missing = unmet(method.needs(params, facts), facts)
      if (missing.length > 0)
        throw new UnmetNeedsError(
          `${method.id} needs ${missing.join(', ')}; the ${facts.family} model has ${facts.depth} blocks with cuts at ` +
            `${facts.cuts.size === 0 ? 'none' : [...facts.cuts].join(', ')}. Lower the setting or use another method.`,
        )
      return () => {
        const state = method.start(params, facts)
        return (call, denoiser) => method.evaluate(call, denoiser, state, params)
      }
    },
  }
}
