/** Estimated floating-point operations of layers: two a multiply-add; norms, activations and sums are left out. */
import type { Part } from '../contract.ts'

/** A linear layer over so many rows. */
export const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Scores of so many queries against so many keys, and their sums, over all heads. */
export const scores = (queries: number, keys: number, width: number): number => 4 * queries * keys * width

/** Four projections of `width` and the attention of all tokens to each other. */
export const selfAttention = (tokens: number, width: number): number =>
  4 * product(tokens, width, width) + scores(tokens, tokens, width)

/** Sum over the blocks of a part. */
export function sumBlocks({ from, to }: Part & { kind: 'blocks' }, flops: (index: number) => number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += flops(i)
  return sum
}
