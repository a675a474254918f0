/** Estimated operations of the parts of a PixArt transformer: matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO } from '../shared/patched-config.ts'
import type { PixArtConfig } from './config.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Of one row of `part`; norms, activations and sums are left out. */
export function pixartFlops(part: Part, { image, text }: TokenCounts, c: PixArtConfig): number {
  const { width } = c
  const patches = (channels: number): number => product(image, channels * c.patch ** 2, width)
  if (part.kind === 'embed') return patches(c.channels) + product(1, TIME_CHANNELS + 7 * width, width)
  if (part.kind === 'head') return patches(c.outChannels)
  if (part.kind === 'tap') return 0
  const attention = 4 * product(image, width, width) + 4 * image ** 2 * width
  const cross = 2 * product(image + text, width, width) + 4 * image * text * width
  return (part.to - part.from) * (attention + cross + 2 * product(image, width, MLP_RATIO * width))
}
