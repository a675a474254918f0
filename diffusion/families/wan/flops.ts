/** Estimated operations of the parts of a WAN transformer: matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import { modulesOf, product, scores } from '../shared/operations.ts'
import type { WanConfig } from './config.ts'

/** Of one row of `part`, `text` counting the picture's tokens too; norms, activations and sums are left out. */
export function wanFlops(part: Part, { image, text }: TokenCounts, c: WanConfig): number {
  const { width } = c
  const cells = c.patch.reduce((a, b) => a * b)
  if (part.kind === 'embed')
    return product(image, c.inChannels * cells, width) + product(1, c.timeFeatures + 7 * width, width)
  if (part.kind === 'head') return product(image, width, c.channels * cells)
  if (part.kind === 'tap') return 0
  const cross = 2 * product(image + text, width, width) + scores(image, text, width)
  // Of the blocks' two modules only the image's tokens are part; looking at the text is always run.
  const modules = modulesOf(part, { image, text: 0 }, width, (tokens) => 2 * product(tokens, width, c.inner))
  return (part.to - part.from) * cross + modules
}
