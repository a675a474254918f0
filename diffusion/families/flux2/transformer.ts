/** A FLUX.2 transformer in parts. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'
import { inPatches, packedShape, pictureFaults } from '../shared/packing.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridRow, unpatched } from '../shared/patches.ts'
import { rotaryTables } from '../shared/rotary.ts'
import { sinusoids } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import type { Flux2Config } from './config.ts'
import { flux2Flops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, textGraph, type Flux2Parts } from './graphs.ts'

/** Distilled guidance when no node sets it, as diffusers has it. */
const DEFAULT_GUIDANCE = 4
/** Noise levels and guidance are told in thousandths. */
const UNIT = 1000

const features = ({ timeChannels }: Flux2Config, values: ArrayLike<number>): Tensor => {
  const scaled = Array.from(values, (value) => Math.fround(Math.fround(value) * UNIT))
  return sinusoids(scaled, { channels: timeChannels, intervals: timeChannels / 2, cosinesFirst: true })
}

/** Rotary tables of L text tokens as rows: their place is on the last axis alone. */
function textTables({ axes }: Flux2Config, length: number): Rows {
  const { cos, sin } = rotaryTables(length, (token) => [0, 0, 0, token], axes)
  const asRow = ({ data, shape }: Tensor): Tensor => tensor(data, [1, ...shape])
  return { 'text cos': asRow(cos), 'text sin': asRow(sin) }
}

/** `name` stands in front of errors. */
export function flux2Transformer(parts: Flux2Parts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const depth = c.doubleBlocks + c.singleBlocks
  return new PartedTransformer({
    facts: {
      family: 'flux2',
      depth,
      cuts: new Set(Array.from({ length: depth + 1 }, (_, i) => i)),
      modules: new Set(['attn', 'mlp']),
      taps: new Set(['modulated', 'temb', 'attention mass']),
    },
    ...{ name, weights, constants: ['cos', 'sin'] },
    carried: ['image', 'text', 'img mods', 'txt mods', 'single mods', 'text cos', 'text sin'],
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, sigma } = pick(rows, ['latent', 'sigma'])
        const vector = c.guidance ? pick(rows, ['vector']) : {}
        return { patches: inPatches(latent, 1), time: features(c, sigma.data), ...vector }
      },
    },
    blocks: (from, to, style) => blocksGraph(parts, [from, to], style),
    modular: { width: c.width, heads: c.heads, doubleBlocks: c.doubleBlocks },
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...pick(rows, ['image', 'temb']), grid: packedShape(shared, 1, c.channels) }),
      finish: ({ prediction }) => ({ prediction: unpatched(prediction!) }),
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: (rows) => pick(rows, ['image', 'img mods']) } },
    readable: ['temb'],
    prompt({ tokens, extras }, latentShape) {
      const faults = [...pictureFaults(latentShape, c.channels, 1)]
      faults.push(...textFaults(tokens, c.textWidth))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
      const [, height = 0, width = 0] = latentShape
      const guidance = features(c, [extras['guidance'] ?? DEFAULT_GUIDANCE])
      const text = tokens.shape[1] ?? 0
      return {
        feeds: { tokens, ...(c.guidance ? { guidance } : {}) },
        rows: textTables(c, text),
        tokens: { image: height * width, text },
      }
    },
    shared(latentShape) {
      const [, height = 0, width = 0] = latentShape
      const place = (token: number) => [0, Math.floor(token / width), token % width, 0]
      return { ...rotaryTables(height * width, place, c.axes), grid: gridRow(latentShape, 1) }
    },
    width: c.width,
    flops: (part, tokens) => flux2Flops(part, tokens, c),
  })
}
