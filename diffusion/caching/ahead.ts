/** Evaluations still to come, as far as a method's own schedule can know them: what it need not keep, it need not ask for. */
import type { Call } from './contract.ts'

/** The evaluation `by` after this one with all but its latent; 'end' past the last, 'unknown' where the sampler's way is. */
export function ahead(call: Call, by: number): Call | 'end' | 'unknown' {
  const index = call.index + by
  if (index >= call.total) return 'end'
  const [now, level] = [call.path?.[call.index], call.path?.[index]]
  if (!level || now?.sigma !== call.sigma) return 'unknown'
  return { ...call, ...level, index, progress: 1 - level.sigma / call.sigmas[0]! }
}

/** Whether the evaluation `by` after this one may do as `reuses` says: not past the end, perhaps where nothing is known of it. */
export function mayCome(call: Call, by: number, reuses: (later: Call) => boolean): boolean {
  const later = ahead(call, by)
  return later === 'unknown' || (later !== 'end' && reuses(later))
}
