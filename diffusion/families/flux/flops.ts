/** Estimated operations of the parts of a FLUX transformer: matrix products and attention, two a multiply-add. */
import { MASS, moduleKey } from '../../caching/contract.ts'
import type { Part, TokenCounts } from '../contract.ts'
import { TIME_CHANNELS, type FluxConfig } from './config.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Scores and their sums over all heads. */
const attention = (tokens: number, width: number): number => 4 * tokens * tokens * width

/** Of the modules of one block, on so many tokens. Both kinds of block have the same four projections of `width`. */
const moduleFlops = {
  attn: (tokens: number, { width }: FluxConfig): number => 4 * product(tokens, width, width) + attention(tokens, width),
  mlp: (tokens: number, { width, inner }: FluxConfig): number => 2 * product(tokens, width, inner),
}

function blockFlops(part: Part & { kind: 'blocks' }, index: number, { image, text }: TokenCounts, config: FluxConfig) {
  const { width, doubleBlocks } = config
  // The modulation of both streams is made in any case: its gates are needed for given outputs too.
  let flops = product(1, width, (index < doubleBlocks ? 12 : 3) * width)
  for (const kind of ['attn', 'mlp'] as const) {
    const key = moduleKey(kind, index)
    const tokens = part.modules?.given.includes(key) ? (part.modules.refreshed[key] ?? 0) : image + text
    flops += moduleFlops[kind](tokens, config)
  }
  // Received attention needs the scores once more.
  if (part.modules?.emitted.includes(moduleKey(MASS, index))) flops += product(image + text, width, image + text)
  return flops
}

/** Of one row of `part`; norms, activations and sums are left out. */
export function fluxFlops(part: Part, tokens: TokenCounts, config: FluxConfig): number {
  const { width, patchChannels } = config
  const patches = product(tokens.image, patchChannels, width)
  if (part.kind === 'embed') return patches + product(1, TIME_CHANNELS + width, width)
  if (part.kind === 'head') return patches + product(1, width, 2 * width)
  if (part.kind === 'tap') return part.name === 'modulated' ? product(1, width, 2 * width) : 0
  let flops = 0
  for (let i = part.from; i < part.to; i++) flops += blockFlops(part, i, tokens, config)
  return flops
}
