/** Ancestral steps: down to a lower level than the next, and up again with fresh noise. */
import type { Medium } from '../../sampling-types.ts'
import { axpy, scale, type Tensor } from '../../tensor.ts'

/** One step: go to `down`, then keep this share of the state and add this much noise. */
export interface AncestralStep {
  readonly down: number
  readonly keep: number
  readonly noise: number
}

/** Levels as sigma / alpha: all of the variance that the posterior has (k-diffusion's eta 1). */
export function posteriorSplit(from: number, to: number): { readonly down: number; readonly noise: number } {
  const noise = Math.min(to, Math.sqrt((to ** 2 * (from ** 2 - to ** 2)) / from ** 2))
  return { down: Math.sqrt(to ** 2 - noise ** 2), noise }
}

/** As ComfyUI splits a step of either kind of model; a step to 0 goes there at once. */
export function ancestralStep({ kind }: Medium, from: number, to: number): AncestralStep {
  if (to === 0) return { down: 0, keep: 1, noise: 0 }
  if (kind === 'exploding') return { ...posteriorSplit(from, to), keep: 1 }
  const down = (to * to) / from
  const keep = (1 - to) / (1 - down)
  return { down, keep, noise: Math.sqrt(Math.max(0, to ** 2 - (down * keep) ** 2)) }
}

/** The second half of a step: from its `down` up to the next level. */
export const renoised = (x: Tensor, { keep, noise }: AncestralStep, medium: Medium): Tensor =>
  noise === 0 ? x : axpy(scale(x, keep), noise, medium.noise())
