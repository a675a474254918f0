/** Estimated operations of the parts of a WAN transformer: matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import type { WanConfig } from './config.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Of one row of `part`, `text` counting the picture's tokens too; norms, activations and sums are left out. */
export function wanFlops(part: Part, { image, text }: TokenCounts, c: WanConfig): number {
  const { width } = c
  const cells = c.patch.reduce((a, b) => a * b)
  if (part.kind === 'embed')
    return product(image, c.inChannels * cells, width) + product(1, c.timeFeatures + 7 * width, width)
  if (part.kind === 'head') return product(image, width, c.channels * cells)
  if (part.kind === 'tap') return 0
  const own = 4 * product(image, width, width) + 4 * image ** 2 * width
  const cross = 2 * product(image + text, width, width) + 4 * image * text * width
  return (part.to - part.from) * (own + cross + 2 * product(image, width, c.inner))
}
