/** Data whose clean latent is known at every noise level, and media for samplers over them. */
import { NormalGenerator } from '../../../diffusion/random.ts'
import type { Medium } from '../../../diffusion/sampling-types.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'

/** The data are normal, each value by itself. */
export const MEAN = 0.7
export const SPREAD = 0.4

export type Kind = Medium['kind']

const alphaOf = (kind: Kind, sigma: number): number => (kind === 'flow' ? 1 - sigma : 1)

/** The clean value expected at x. */
export function expectClean(kind: Kind, x: number, sigma: number): number {
  const alpha = alphaOf(kind, sigma)
  return MEAN + (alpha * SPREAD ** 2 * (x - alpha * MEAN)) / ((alpha * SPREAD) ** 2 + sigma ** 2)
}

/** Where the ordinary differential equation takes the value that is z deviations from the mean. */
export function exact(kind: Kind, z: number, sigma: number): number {
  const alpha = alphaOf(kind, sigma)
  return alpha * MEAN + Math.sqrt((alpha * SPREAD) ** 2 + sigma ** 2) * z
}

/** Draw k is the same value everywhere: what one value of a latent does then cannot depend on the others. */
export function evenMedium(kind: Kind, shape: readonly number[]): Medium {
  let draws = 0
  const size = shape.reduce((product, extent) => product * extent, 1)
  const noise = (): Tensor => tensor(new Float32Array(size).fill(Math.sin(12.9 * ++draws)), shape)
  return { kind, ceiling: kind === 'flow' ? 0.9999 : Infinity, noise }
}

/** Real noise. */
export function seededMedium(kind: Kind, shape: readonly number[], seed: bigint): Medium {
  const generator = new NormalGenerator(seed)
  return { ...evenMedium(kind, shape), noise: () => generator.draw(shape) }
}
