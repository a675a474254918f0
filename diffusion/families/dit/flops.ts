/** Estimated operations of the parts of a DiT transformer: matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO } from '../shared/patched-config.ts'
import type { DitConfig } from './config.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Of one row of `part`; norms, activations and sums are left out. */
export function ditFlops(part: Part, { image }: TokenCounts, c: DitConfig): number {
  const { width } = c
  const patches = (channels: number): number => product(image, channels * c.patch ** 2, width)
  const time = product(1, TIME_CHANNELS + width, width)
  if (part.kind === 'embed') return patches(c.channels)
  if (part.kind === 'head') return patches(c.outChannels) + time + product(1, width, 2 * width)
  if (part.kind === 'tap') return part.name === 'modulated' ? time + product(1, width, 6 * width) : time
  const attention = 4 * product(image, width, width) + 4 * image ** 2 * width
  const modulation = time + product(1, width, 6 * width)
  return (part.to - part.from) * (modulation + attention + 2 * product(image, width, MLP_RATIO * width))
}
