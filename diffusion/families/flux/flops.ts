/** Estimated operations of the parts of a FLUX transformer: matrix products and attention, two a multiply-add. */
import { MASS, moduleKey } from '../../caching/contract.ts'
import type { Part, TokenCounts } from '../contract.ts'
import { TIME_CHANNELS, type FluxConfig } from './config.ts'
import { modulationCount, modulationStart, type ModulationSource } from './modulation.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out

/** Scores and their sums over all heads. */
const attention = (tokens: number, width: number): number => 4 * tokens * tokens * width

/** Of the modules of one block, on so many tokens. Both kinds of block have the same four projections of `width`. */
const moduleFlops = {
  attn: (tokens: number, { width }: FluxConfig): number => 4 * product(tokens, width, width) + attention(tokens, width),
  mlp: (tokens: number, { width, inner }: FluxConfig): number => 2 * product(tokens, width, inner),
}

/** Of the time embedding and, where they are made beforehand, of all modulations, for one row. */
export function levelFlops(config: FluxConfig, source: ModulationSource): number {
  const { width } = config
  const embedding = product(1, TIME_CHANNELS + width, width)
  return embedding + (source === 'mods' ? product(1, width, modulationCount(config) * width) : 0)
}

function blockFlops(part: Part & { kind: 'blocks' }, index: number, { image, text }: TokenCounts, config: FluxConfig) {
  const { width } = config
  let flops = 0
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
export function fluxFlops(part: Part, tokens: TokenCounts, config: FluxConfig, source: ModulationSource): number {
  const { width, patchChannels } = config
  const patches = product(tokens.image, patchChannels, width)
  /** Of so many vectors that a part has to make for itself. */
  const modulation = (count: number): number => (source === 'temb' ? product(1, width, count * width) : 0)
  if (part.kind === 'embed') return patches + (part.foreseen ? 0 : levelFlops(config, source))
  if (part.kind === 'head') return patches + modulation(2)
  if (part.kind === 'tap') return part.name === 'modulated' ? modulation(2) : 0
  // A block's modulation is made in any case: its gates are needed for given outputs too.
  let flops = modulation(modulationStart(config, part.to) - modulationStart(config, part.from))
  for (let i = part.from; i < part.to; i++) flops += blockFlops(part, i, tokens, config)
  return flops
}
