/** A HunyuanVideo transformer in parts. */
import type { Rows } from '../contract.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridPlace, rotaryTables } from '../shared/rotary.ts'
import { timeFeatures } from '../shared/sinusoids.ts'
import { patchCounts, volumeGrid, volumeShape, wholeVolume } from '../shared/volumes.ts'
import { blocksGraph, modulatedGraph, type HunyuanParts } from './blocks.ts'
import { hunyuanFlops } from './flops.ts'
import { embedGraph, headGraph, textGraph } from './graphs.ts'
import { assertFits, promptOf } from './prompt.ts'

/** Rows of the prompt that only the text refiner takes. */
const REFINED = ['projected', 'gist', 'hidden', 'kept'] as const

/** `name` stands in front of errors. */
export function hunyuanTransformer(parts: HunyuanParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const depth = c.doubleBlocks + c.singleBlocks
  const imageAndTime = (rows: Rows): Rows => pick(rows, ['image', 'temb'])
  return new PartedTransformer({
    facts: {
      family: 'hunyuan-video',
      depth,
      cuts: new Set(Array.from({ length: depth + 1 }, (_, i) => i)),
      modules: new Set(['attn', 'mlp']),
      taps: new Set(['modulated', 'temb', 'attention mass']),
    },
    ...{ name, weights, carried: ['image', 'text', 'temb'], constants: ['cos', 'sin'] },
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { timestep, ...others } = pick(rows, ['latent', 'timestep', 'vector', ...REFINED])
        return { ...others, time: timeFeatures(timestep.data) }
      },
    },
    blocks: (from, to, style) => blocksGraph(parts, [from, to], style),
    modular: { width: c.width, heads: c.heads, doubleBlocks: c.doubleBlocks },
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...imageAndTime(rows), grid: volumeShape(shared, c.outChannels, c.patch) }),
      finish: ({ prediction }) => ({ prediction: wholeVolume(prediction!) }),
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: imageAndTime } },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      assertFits(name, c, conditioning, latentShape)
      const { feeds, rows, count } = promptOf(c, conditioning)
      const [f, h, w] = patchCounts(latentShape, c.patch)
      return { feeds, rows, tokens: { image: f * h * w, text: count } }
    },
    shared(latentShape) {
      const [f, h, w] = patchCounts(latentShape, c.patch)
      return { ...rotaryTables(f * h * w, gridPlace(h, w), c.axes), grid: volumeGrid(latentShape, c.patch) }
    },
    width: c.width,
    flops: (part, tokens) => hunyuanFlops(part, tokens, c),
  })
}
