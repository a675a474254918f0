/** One clock for both processes, which does not jump while they run. */

/** Milliseconds since 1970, with fractions to a hundredth. */
export const sinceEpoch = (): number => Math.round((performance.timeOrigin + performance.now()) * 100) / 100
