/** A PixArt transformer in parts. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { gridRow, gridShape, unpatched } from '../shared/patches.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridPositions, timeFeatures } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import type { PixArtConfig } from './config.ts'
import { pixartFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, textGraph, type PixArtParts } from './graphs.ts'

/** Added to the scores of padding, as the models were trained. */
const HIDDEN = -10_000
/** Pixels per latent cell: the models that take sizes were trained with that of their own autoencoder. */
const FACTOR = 8

function assertFits(name: string, c: PixArtConfig, { tokens, mask }: Conditioning, shape: readonly number[]): void {
  const [channels, height = 0, width = 0] = shape
  const faults = [...textFaults(tokens, c.textWidth)]
  if (mask && mask.shape[1] !== tokens.shape[1])
    faults.push(`the mask is [${mask.shape.join(', ')}], expected [1, ${tokens.shape[1]}]`)
  if (channels !== c.channels || shape.length !== 3)
    faults.push(`the latent is [${shape.join(', ')}], expected [${c.channels}, H, W]`)
  if ([height, width].some((side) => side < c.patch || side % c.patch !== 0))
    faults.push(`the latent's sides ${height} x ${width} must be multiples of ${c.patch}`)
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
}

/** Features of the picture's height, width and their ratio, as set by nodes or else the latent's own. */
function sizeFeatures({ extras }: Conditioning, [, height = 0, width = 0]: readonly number[]): Rows {
  const [high, wide] = [extras['height'] ?? height * FACTOR, extras['width'] ?? width * FACTOR]
  return { resolution: timeFeatures([high, wide]), aspect_ratio: timeFeatures([extras['aspect_ratio'] ?? high / wide]) }
}

const biasOf = ({ tokens, mask }: Conditioning): Tensor => {
  const length = tokens.shape[1] ?? 0
  return tensor(mask ? mask.data.map((kept) => (1 - kept) * HIDDEN) : new Float32Array(length), [1, length])
}

/** `name` stands in front of errors. */
export function pixartTransformer(parts: PixArtParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  return new PartedTransformer({
    facts: {
      family: 'pixart',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(['modulated', 'temb']),
    },
    ...{ name, weights, carried: ['image', 'context', 'bias', 'mods'] },
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows, shared) {
        const { latent, timestep } = pick(rows, ['latent', 'timestep'])
        const sizes = c.sized ? pick(rows, ['sizes']) : {}
        return { latent, time: timeFeatures(timestep.data), ...sizes, ...pick(shared, ['positions']) }
      },
    },
    blocks: (from, to) => blocksGraph(parts, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...pick(rows, ['image', 'temb']), grid: gridShape(shared, c.patch, c.outChannels) }),
      finish: (made) => Object.fromEntries(Object.entries(made).map(([key, value]) => [key, unpatched(value)])),
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: (rows) => pick(rows, ['image', 'mods']) } },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      assertFits(name, c, conditioning, latentShape)
      const [, height = 0, width = 0] = latentShape
      const { tokens } = conditioning
      return {
        feeds: { tokens, ...(c.sized ? sizeFeatures(conditioning, latentShape) : {}) },
        rows: { bias: biasOf(conditioning) },
        tokens: { image: (height * width) / c.patch ** 2, text: tokens.shape[1] ?? 0 },
      }
    },
    shared(latentShape) {
      const grid = gridRow(latentShape, c.patch)
      const [h = 0, w = 0] = grid.data
      return { grid, positions: gridPositions(c.width, h, w, c.grid) }
    },
    width: c.width,
    flops: (part, tokens) => pixartFlops(part, tokens, c),
  })
}
