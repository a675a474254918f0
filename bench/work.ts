/** One piece of a bench's work: what it is expected to cost, and how to do it. */
export interface Work {
  /** Expected seconds. */
  readonly cost: number
  /** What the progress bar says meanwhile. */
  readonly name: string
  do(): Promise<void>
}

/** Rough prices on this machine, from which the expected duration is made. */
export interface Prices {
  /** Seconds of one uncached model evaluation. */
  readonly evaluation: number
  /** Seconds to decode a picture and to compare it. */
  readonly picture: number
}

/** Share of an uncached evaluation that a caching method's usual settings leave. */
const CACHED_SHARE = 0.5

/** Expected seconds of one run of `evaluations` model evaluations. */
export const runCost = (evaluations: number, cached: boolean, { evaluation }: Prices): number =>
  evaluations * evaluation * (cached ? CACHED_SHARE : 1)
