/** A DiT transformer in parts: told a class by its label instead of a text. */
import { tensor } from '../../tensor.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { gridRow, gridShape, unpatched } from '../shared/patches.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridPositions, timeFeatures } from '../shared/sinusoids.ts'
import type { DitConfig } from './config.ts'
import { ditFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, timeGraph, type DitParts } from './graphs.ts'

function assertFits(name: string, c: DitConfig, { tokens }: Conditioning, shape: readonly number[]): void {
  const [channels, height = 0, width = 0] = shape
  const label = tokens.data[0] ?? NaN
  const faults: string[] = []
  if (tokens.data.length !== 1 || !Number.isInteger(label) || label < 0 || label > c.classes)
    faults.push(
      `the conditioning is [${tokens.shape.join(', ')}] with ${label}, expected one label from 0 to ${c.classes} as [1, 1, 1]`,
    )
  if (channels !== c.channels || shape.length !== 3)
    faults.push(`the latent is [${shape.join(', ')}], expected [${c.channels}, H, W]`)
  if ([height, width].some((side) => side < c.patch || side % c.patch !== 0))
    faults.push(`the latent's sides ${height} x ${width} must be multiples of ${c.patch}`)
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
}

/** `name` stands in front of errors. */
export function ditTransformer(parts: DitParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const state = (rows: Rows) => pick(rows, ['image', 'time', 'label'])
  return new PartedTransformer({
    facts: {
      family: 'dit',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(['modulated', 'temb']),
    },
    ...{ name, weights, carried: ['image', 'time', 'label'], text: null },
    embed: {
      graph: () => embedGraph(parts),
      feeds: (rows, shared) => ({ ...pick(rows, ['latent']), ...pick(shared, ['positions']) }),
      more: (rows) => ({ time: timeFeatures(pick(rows, ['timestep']).timestep.data, 'exact') }),
    },
    blocks: (from, to) => blocksGraph(parts, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...state(rows), grid: gridShape(shared, c.patch, c.outChannels) }),
      finish: (made) => Object.fromEntries(Object.entries(made).map(([key, value]) => [key, unpatched(value)])),
    },
    taps: {
      modulated: { graph: () => modulatedGraph(parts), feeds: state },
      temb: { graph: () => timeGraph(parts), feeds: (rows) => pick(rows, ['time', 'label']) },
    },
    readable: [],
    prompt(conditioning, latentShape) {
      assertFits(name, c, conditioning, latentShape)
      const [, height = 0, width = 0] = latentShape
      return {
        feeds: {},
        rows: { label: tensor(conditioning.tokens.data, [1, 1]) },
        tokens: { image: (height * width) / c.patch ** 2, text: 0 },
      }
    },
    shared(latentShape) {
      const grid = gridRow(latentShape, c.patch)
      const [h = 0, w = 0] = grid.data
      return { grid, positions: gridPositions(c.width, h, w, c.grid) }
    },
    width: c.width,
    flops: (part, tokens) => ditFlops(part, tokens, c),
  })
}
