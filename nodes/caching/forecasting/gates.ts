/** How ForecastCache decides which steps are computed: by a mask, by an error budget, or as another caching method does. */
import {
  UnmetNeedsError,
  type Branch,
  type CacheConfiguration,
  type Call,
  type Denoiser,
  type Evaluated,
  type Facts,
  type RunFacts,
  type Trace,
} from '../../../diffusion/caching/contract.ts'
import { ErrorBudget } from '../../../diffusion/caching/error-budget.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { maskOf, type MaskKnobs } from '../knobs/mask.ts'

/** What a gate says of one branch. */
export interface Verdict {
  readonly computes: boolean
  /** Where the gate's own way has computed it already. */
  readonly prediction?: Tensor
  /** What is worth a place in the report. */
  readonly trace: Omit<Trace, 'decision' | 'forced'>
}

/** Decides for one sample. */
export interface Gate {
  /** At `call`, which has to be computed if it is `forced`; the answer says it by branch. */
  ask(call: Call, denoiser: Denoiser, forced: boolean): Promise<(branch: Branch) => Verdict>
  /** The step at `call` was computed; `error` is the root mean square of what the guided forecast missed, null without one. */
  computed(call: Call, error: number | null): void
}

const forAll = (verdict: Verdict) => Promise.resolve(() => verdict)

/** The steps that the knobs describe. */
function maskGate(knobs: MaskKnobs, run: RunFacts | undefined): Gate {
  let mask: ReadonlySet<number> | null = null
  return {
    ask(call, _, forced) {
      mask ??= maskOf('ForecastCache', knobs, call.total, run)
      return forAll({ computes: forced || mask.has(call.index), trace: {} })
    },
    computed() {},
  }
}

function budgetGate(tau: number): Gate {
  const budget = new ErrorBudget(tau)
  return {
    ask(call, _, forced) {
      const computes = forced || !budget.allows(call)
      return forAll({ computes, trace: budget.spent > 0 ? { accumulated: budget.spent } : {} })
    },
    computed: (call, error) => budget.computed(call, error),
  }
}

/** A method's answers as verdicts: what it computed in full is taken over, what it estimated is not. */
function verdictOf({ prediction, trace }: Evaluated, forced: boolean): Verdict {
  const { decision, forced: _, ...measured } = trace
  const isComputed = decision === 'full' || decision === 'resumed'
  return { computes: isComputed || forced, trace: measured, ...(isComputed && { prediction }) }
}

function followingGate(evaluate: ReturnType<ReturnType<CacheConfiguration['bind']>>): Gate {
  return {
    async ask(call, denoiser, forced) {
      const answers = await evaluate(call, denoiser)
      return (branch) => {
        const answer = answers.get(branch)
        return answer ? verdictOf(answer, forced) : { computes: true, trace: {} }
      }
    },
    computed() {},
  }
}

/** The method whose decisions are followed. Throws UnmetNeedsError when none is wired. */
export function followed(decides: CacheConfiguration | null): CacheConfiguration {
  if (decides) return decides
  throw new UnmetNeedsError('ForecastCache, decides: with drift a CACHE has to be wired that decides')
}

/** The gate of one sample. Throws UnmetNeedsError when nothing that could decide is wired. */
export function gateFor(
  { when, tau }: { readonly when: 'controller' | 'mask' | 'drift'; readonly tau: number },
  knobs: MaskKnobs,
  decides: CacheConfiguration | null,
  facts: Facts,
  run: RunFacts | undefined,
): Gate {
  if (when === 'mask') return maskGate(knobs, run)
  if (when === 'controller') return budgetGate(tau)
  return followingGate(followed(decides).bind(facts, run)())
}
