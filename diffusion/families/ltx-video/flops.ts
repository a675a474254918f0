/** Estimated operations of the parts of an LTX-Video transformer. */
import type { Part, TokenCounts } from '../contract.ts'
import { product, scores, selfAttention, sumBlocks } from '../shared/operations.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type LtxConfig } from './config.ts'

/** Of one row of `part`; the text is looked at, and does not change. */
export function ltxFlops(part: Part, { image, text }: TokenCounts, { width, channels }: LtxConfig): number {
  const patches = product(image, channels, width)
  if (part.kind === 'embed') return patches + product(1, TIME_CHANNELS + 7 * width, width)
  if (part.kind === 'head') return patches
  if (part.kind === 'tap') return 0
  const crossed = 2 * product(image, width, width) + 2 * product(text, width, width) + scores(image, text, width)
  const mlp = 2 * product(image, width, MLP_RATIO * width)
  return sumBlocks(part, () => selfAttention(image, width) + crossed + mlp)
}
