/** What samplers may know of the states they move: how noise and clean latent are mixed, and fresh noise by a seed. */
import type { Parametrisation } from './families/contract.ts'
import { timeShift } from './noise-levels.ts'
import { NormalGenerator } from './random.ts'
import type { Medium } from './sampling-types.ts'

/** Share of a flow model's training time that ComfyUI steps back from pure noise before it takes the logarithm. */
const BELOW_NOISE = 1e-4
const SEEDS = 1n << 64n

/**
 * The medium of one run. Its noise is that of ComfyUI on a CPU: the generator of the next seed, one draw of `shape` for each time a
 * sampler asks.
 */
export function mediumOf(parametrisation: Parametrisation, seed: bigint, shape: readonly number[]): Medium {
  let generator: NormalGenerator | null = null
  const noise = () => (generator ??= new NormalGenerator((seed + 1n) % SEEDS)).draw(shape)
  return parametrisation.kind === 'flow'
    ? { kind: 'flow', ceiling: timeShift(parametrisation.shift, 1 - BELOW_NOISE), noise }
    : { kind: 'exploding', ceiling: Infinity, noise }
}
