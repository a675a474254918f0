/** Which evaluations are computed whatever a caching method measures. */
import type { Branch, Call } from './contract.ts'

/**
 * How a warm-up share r of N evaluations is counted, evaluation c being the one in question: 'through' forces c <= floor(r N)
 * (DiCache's FLUX script), 'before' c < floor(r N) (its HunyuanVideo script), 'before-interleaved' the same over the calls of all
 * branches in turn (its WAN script: cond is call 2c, uncond 2c + 1, of 2N). 'before-rounded' forces c < floor(r N + 1/2) (MagCache's
 * FLUX script); with 'count' the warm-up is no share but a number of evaluations (TeaCache).
 */
export type WarmUpRule = 'through' | 'before' | 'before-rounded' | 'before-interleaved' | 'count'

export interface Forcing {
  /** Share of the evaluations at the start, 0..1; under the rule 'count' their number. */
  readonly warmUp: number
  readonly warmUpRule: WarmUpRule
  readonly forceLast: boolean
  /** Part of the run, in `Call.progress`, inside which a method may reuse anything; both ends belong to it. */
  readonly start: number
  readonly end: number
}

function inWarmUp(call: Call, branch: Branch, { warmUp, warmUpRule }: Forcing): boolean {
  if (warmUpRule === 'through') return call.index <= Math.floor(warmUp * call.total)
  if (warmUpRule === 'count') return call.index < warmUp
  if (warmUpRule === 'before-rounded') return call.index < Math.floor(warmUp * call.total + 0.5)
  if (warmUpRule === 'before') return call.index < Math.floor(warmUp * call.total)
  const count = call.branches.length
  return call.index * count + call.branches.indexOf(branch) < Math.floor(warmUp * call.total * count)
}

/** Why this evaluation of this branch has to be computed, or null when the method may decide. */
export function forcedBecause(call: Call, branch: Branch, forcing: Forcing): string | null {
  if (call.index === 0) return 'first'
  if (forcing.forceLast && call.index === call.total - 1) return 'last'
  if (call.progress < forcing.start || call.progress > forcing.end) return 'window'
  return inWarmUp(call, branch, forcing) ? 'warm-up' : null
}
