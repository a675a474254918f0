/** Estimated operations of the parts of an SD3 transformer: matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type Sd3Config } from './config.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Four projections, scores and their sums over all heads. */
const attention = (tokens: number, width: number): number => 4 * product(tokens, width, width) + 4 * tokens ** 2 * width

function blockFlops(index: number, { image, text }: TokenCounts, { width, blocks, dual }: Sd3Config): number {
  const [isLast, isDual] = [index === blocks - 1, dual.has(index)]
  const modulation = product(1, width, ((isDual ? 9 : 6) + (isLast ? 2 : 6)) * width)
  const mlps = 2 * product(image + (isLast ? 0 : text), width, MLP_RATIO * width)
  // The last block's text is not projected back.
  const joint = attention(image + text, width) - (isLast ? product(text, width, width) : 0)
  return modulation + joint + mlps + (isDual ? attention(image, width) : 0)
}

/** Of one row of `part`; norms, activations and sums are left out. */
export function sd3Flops(part: Part, tokens: TokenCounts, config: Sd3Config): number {
  const { width, patch, channels } = config
  const patches = product(tokens.image, channels * patch ** 2, width)
  if (part.kind === 'embed') return patches + product(1, TIME_CHANNELS + width, width)
  if (part.kind === 'head') return patches + product(1, width, 2 * width)
  if (part.kind === 'tap')
    return part.name === 'modulated' ? product(1, width, (config.dual.has(0) ? 9 : 6) * width) : 0
  let flops = 0
  for (let i = part.from; i < part.to; i++) flops += blockFlops(i, tokens, config)
  return flops
}
