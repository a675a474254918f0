/** Estimated operations of the parts of a FLUX.2 transformer. */
import type { Part, TokenCounts } from '../contract.ts'
import { modulesOf, product } from '../shared/operations.ts'
import type { Flux2Config } from './config.ts'

/** Of one row of `part`. The modulations are made once, in embed; MLPs have a gate, so three products. */
export function flux2Flops(part: Part, { image, text }: TokenCounts, c: Flux2Config): number {
  const { width, inner } = c
  const patches = product(image, c.channels, width)
  if (part.kind === 'embed') return patches + product(1, c.timeChannels + width, width) + product(1, width, 15 * width)
  if (part.kind === 'head') return patches + product(1, width, 2 * width)
  if (part.kind === 'tap') return 0
  return modulesOf(part, { image, text }, width, (tokens) => 3 * product(tokens, width, inner))
}
