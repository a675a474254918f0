/** Estimated floating-point operations of layers: two a multiply-add; norms, activations and sums are left out. */
import { MASS, moduleKey } from '../../caching/contract.ts'
import type { Part, TokenCounts } from '../contract.ts'

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

/** Of the modules of joint blocks over image and text: what a plan gives costs nothing, what it refreshes its share. */
export function modulesOf(
  part: Part & { kind: 'blocks' },
  { image, text }: TokenCounts,
  width: number,
  mlp: (tokens: number) => number,
): number {
  const costs = { attn: (tokens: number) => selfAttention(tokens, width), mlp }
  return sumBlocks(part, (index) => {
    const run = (['attn', 'mlp'] as const).map((kind) => {
      const key = moduleKey(kind, index)
      return costs[kind](part.modules?.given.includes(key) ? (part.modules.refreshed[key] ?? 0) : image + text)
    })
    // Received attention needs the scores once more.
    const watched = part.modules?.emitted.includes(moduleKey(MASS, index)) ?? false
    return run[0]! + run[1]! + (watched ? product(image + text, width, image + text) : 0)
  })
}
