/** Estimated operations of the parts of a HunyuanVideo transformer. */
import type { Part, TokenCounts } from '../contract.ts'
import { modulesOf, product, selfAttention, sumBlocks } from '../shared/operations.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { REFINER_RATIO, type HunyuanConfig } from './config.ts'

/** Of one row of `part`. */
export function hunyuanFlops(part: Part, { image, text }: TokenCounts, c: HunyuanConfig): number {
  const { width, inner } = c
  const cells = c.patch[0] * c.patch[1] * c.patch[2]
  if (part.kind === 'embed') {
    const mlps = 2 * product(text, width, REFINER_RATIO * width)
    const refiner = c.refinerBlocks * (selfAttention(text, width) + mlps + product(1, width, 2 * width))
    return product(image, cells * c.channels, width) + 2 * product(1, TIME_CHANNELS + width, width) + refiner
  }
  if (part.kind === 'head') return product(image, width, cells * c.outChannels) + product(1, width, 2 * width)
  if (part.kind === 'tap') return part.name === 'modulated' ? product(1, width, 6 * width) : 0
  const modulation = sumBlocks(part, (index) => product(1, width, (index < c.doubleBlocks ? 12 : 3) * width))
  return modulation + modulesOf(part, { image, text }, width, (tokens) => 2 * product(tokens, width, inner))
}
