/** An LTX-Video transformer in parts. */
import { tensor } from '../../tensor.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { timeFeatures } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { visibleTokens } from '../shared/text-mask.ts'
import { patchCounts, volumeFaults, volumeGrid, type VolumePatch } from '../shared/volumes.ts'
import { ltxFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, textGraph, type LtxParts } from './graphs.ts'
import { placeTables, POSITION_INPUTS } from './positions.ts'

/** Every latent cell is a token. */
const PATCH: VolumePatch = [1, 1, 1]

/** `name` stands in front of errors. */
export function ltxTransformer(parts: LtxParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  return new PartedTransformer({
    facts: {
      family: 'ltx-video',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(['modulated', 'temb']),
    },
    ...{ name, weights, carried: ['image', 'context', 'mods'], constants: ['cos', 'sin'] },
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, timestep } = pick(rows, ['latent', 'timestep'])
        const [batch = 0, channels = 0, ...sides] = latent.shape
        const cells = sides.reduce((a, b) => a * b, 1)
        return { latent: tensor(latent.data, [batch, channels, cells]), time: timeFeatures(timestep.data) }
      },
    },
    blocks: (from, to) => blocksGraph(parts, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds: (rows) => pick(rows, ['image', 'temb']),
      finish({ prediction }, shared) {
        const { grid } = pick(shared, ['grid'])
        const [batch = 0, channels = 0] = prediction!.shape
        return { prediction: tensor(prediction!.data, [batch, channels, ...grid.data]) }
      },
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: (rows) => pick(rows, ['image', 'mods']) } },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      const { tokens: given } = conditioning
      const faults = [...volumeFaults(latentShape, c.channels, PATCH)]
      faults.push(...textFaults(given, c.textWidth))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
      const { tokens, places } = visibleTokens(name, conditioning)
      const [f, h, w] = patchCounts(latentShape, PATCH)
      return { feeds: { tokens }, rows: {}, tokens: { image: f * h * w, text: places.length } }
    },
    sharedBy: POSITION_INPUTS,
    shared: (latentShape, extras) => ({
      ...placeTables(c.width, patchCounts(latentShape, PATCH), extras),
      grid: volumeGrid(latentShape, PATCH),
    }),
    width: c.width,
    flops: (part, tokens) => ltxFlops(part, tokens, c),
  })
}
