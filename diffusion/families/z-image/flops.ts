/** Estimated operations of the parts of a Z-Image transformer. */
import type { Part, TokenCounts } from '../contract.ts'
import { product, selfAttention, sumBlocks } from '../shared/operations.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { TIME_INNER, type ZImageConfig } from './config.ts'

/** Of one row of `part`. MLPs have a gate, so three products. */
export function zImageFlops(part: Part, { image, text }: TokenCounts, c: ZImageConfig): number {
  const { width, inner, timeWidth } = c
  const patches = product(image, c.channels * c.patch ** 2, width)
  const block = (tokens: number): number =>
    selfAttention(tokens, width) + 3 * product(tokens, width, inner) + product(1, timeWidth, 4 * width)
  if (part.kind === 'embed')
    return patches + product(1, TIME_CHANNELS + timeWidth, TIME_INNER) + c.refinerBlocks * block(image)
  if (part.kind === 'head') return patches + product(1, timeWidth, width)
  if (part.kind === 'tap') return part.name === 'modulated' ? product(1, timeWidth, 4 * width) : 0
  return sumBlocks(part, () => block(image + text))
}
