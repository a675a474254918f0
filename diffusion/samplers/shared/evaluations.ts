/** How often samplers ask for the clean latent: what a caching method sees as the evaluations of a run. */

/** One at the beginning of each step. */
export const onePerStep = (sigmas: readonly number[]): number => Math.max(0, sigmas.length - 1)

/** Two a step, the second within it or at its end, but one for a step to sigma 0. */
export const twoPerStep = (sigmas: readonly number[]): number =>
  sigmas.slice(1).reduce((sum, next) => sum + (next === 0 ? 1 : 2), 0)
