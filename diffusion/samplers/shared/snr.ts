/** Noise levels as signal-to-noise ratios, which is what multistep and stochastic solvers count in. */
import type { Medium } from '../../sampling-types.ts'

/** A way to read noise levels: x = alpha clean + sigma noise, lambda = log(alpha / sigma). */
export interface Snr {
  readonly alpha: (sigma: number) => number
  readonly lambda: (sigma: number) => number
  /** The level at a lambda. */
  readonly sigma: (lambda: number) => number
}

export const explodingSnr: Snr = {
  alpha: () => 1,
  lambda: (sigma) => -Math.log(sigma),
  sigma: (lambda) => Math.exp(-lambda),
}

export const flowSnr: Snr = {
  alpha: (sigma) => 1 - sigma,
  lambda: (sigma) => Math.log((1 - sigma) / sigma),
  sigma: (lambda) => 1 / (1 + Math.exp(lambda)),
}

export const snrOf = ({ kind }: Medium): Snr => (kind === 'flow' ? flowSnr : explodingSnr)

/** The levels with those too noisy for a finite lambda at the medium's ceiling, as ComfyUI does for pure noise. */
export const belowCeiling = (sigmas: readonly number[], { ceiling }: Medium): readonly number[] =>
  sigmas.map((sigma, i) => (i === 0 && sigma > ceiling ? ceiling : sigma))
