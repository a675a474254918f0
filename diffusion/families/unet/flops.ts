/** Estimated operations of the parts of a U-Net: convolutions, matrix products and attention, two a multiply-add. */
import type { Part, TokenCounts } from '../contract.ts'
import type { UnetConfig } from './config.ts'
import { MLP_RATIO } from './keys.ts'
import type { Chain, Layer, Unit } from './units.ts'

const product = (rows: number, wide: number, out: number): number => 2 * rows * wide * out
const conv = (cells: number, wide: number, out: number, kernel: number): number =>
  product(cells, kernel ** 2 * wide, out)

function layerFlops({ wide, out, attention }: Layer, cells: number, text: number, c: UnetConfig): number {
  const shortcut = wide === out ? 0 : conv(cells, wide, out, 1)
  const time = product(1, c.timeWidth, c.timeScales ? 2 * out : out)
  const resnet = conv(cells, wide, out, 3) + conv(cells, out, out, 3) + shortcut + time
  if (!attention) return resnet
  const seen = attention.crossOnly ? text : cells
  const looks = (from: number, width: number): number =>
    2 * product(cells, out, out) + 2 * product(from, width, out) + 4 * cells * from * out
  const feed = product(cells, out, 2 * MLP_RATIO * out) + product(cells, MLP_RATIO * out, out)
  const block = looks(seen, attention.crossOnly ? c.textWidth : out) + looks(text, c.textWidth) + feed
  return resnet + 2 * product(cells, out, out) + attention.depth * block
}

function unitFlops(unit: Unit, { image, text }: TokenCounts, c: UnetConfig): number {
  const cells = image / 4 ** unit.level
  if (unit.kind === 'shrink') return conv(cells / 4, unit.width, unit.width, 3)
  const layer = layerFlops(unit.layer, cells, text, c)
  if (unit.kind === 'middle') return layer + (unit.after ? layerFlops(unit.after, cells, text, c) : 0)
  const { out } = unit.layer
  return unit.kind === 'up' && unit.enlarge ? layer + conv(4 * cells, out, out, 3) : layer
}

/** Of one row of `part`, whose latent has `tokens.image` cells; norms, activations and sums are left out. */
export function unetFlops(part: Part, tokens: TokenCounts, c: UnetConfig, chain: Chain): number {
  const width = c.levels[0]?.width ?? 0
  if (part.kind === 'embed')
    return conv(tokens.image, c.channels, width, c.kernels[0]) + product(1, width + c.timeWidth, c.timeWidth)
  if (part.kind === 'head') return conv(tokens.image, width, c.outChannels, c.kernels[1])
  if (part.kind === 'tap') return 0
  return chain.units.slice(part.from, part.to).reduce((sum, unit) => sum + unitFlops(unit, tokens, c), 0)
}
