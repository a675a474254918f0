/** Estimated operations of the parts of a Qwen-Image transformer. */
import type { Part, TokenCounts } from '../contract.ts'
import { modulesOf, product, sumBlocks } from '../shared/operations.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type QwenConfig } from './config.ts'

/** Of one row of `part`. */
export function qwenFlops(part: Part, { image, text }: TokenCounts, { width, channels, patch }: QwenConfig): number {
  const patches = product(image, channels * patch ** 2, width)
  if (part.kind === 'embed') return patches + product(1, TIME_CHANNELS + width, width)
  if (part.kind === 'head') return patches + product(1, width, 2 * width)
  if (part.kind === 'tap') return part.name === 'modulated' ? product(1, width, 6 * width) : 0
  const modulation = sumBlocks(part, () => product(1, width, 12 * width))
  const mlp = (tokens: number): number => 2 * product(tokens, width, MLP_RATIO * width)
  return modulation + modulesOf(part, { image, text }, width, mlp)
}
