/** A WAN transformer in parts. */
import type { Feed } from '../../onnx/session.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridPlace, rotaryTables } from '../shared/rotary.ts'
import { sinusoids } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { patchCounts, volumeFaults, volumeGrid, wholeVolume } from '../shared/volumes.ts'
import type { WanConfig } from './config.ts'
import { wanFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, MODS, modulatedGraph, textGraph, type WanParts } from './graphs.ts'
import { besideLatent } from './picture.ts'

const THETA = 10_000

/** Values of a head that turn with frame, row and column: a third of the pairs each for rows and columns, the rest for frames. */
export function rotaryAxes({ headSize }: WanConfig): { readonly sizes: readonly number[]; readonly theta: number } {
  const side = 2 * Math.floor(headSize / 6)
  return { sizes: [headSize - 2 * side, side, side], theta: THETA }
}

function assertFits(name: string, c: WanConfig, { tokens, tensors }: Conditioning, shape: readonly number[]): void {
  const faults = [...volumeFaults(shape, c.channels, c.patch)]
  faults.push(...textFaults(tokens, c.textWidth))
  const vision = tensors?.['clip_vision_output']
  if (c.vision && !vision)
    faults.push("this model looks at a picture: WanImageToVideo's clip_vision_output is needed for both prompts")
  const { width, positions } = c.vision ?? { width: 0, positions: null }
  if (c.vision && vision && (vision.shape.length !== 3 || vision.shape[2] !== width))
    faults.push(`the picture's tokens are [${vision.shape.join(', ')}], expected [1, N, ${width}]`)
  if (c.vision && vision && positions !== null && (vision.shape[1] ?? 0) % positions !== 0)
    faults.push(`the picture's tokens are ${vision.shape[1]}, expected a multiple of ${positions}`)
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
}

/** The shape that the head gives its tokens: [0, f, h, w, and the patch's frames, rows, columns, channels]. */
function headShape(shared: Rows, { patch, channels }: WanConfig): Feed {
  const { grid } = pick(shared, ['grid'])
  return { data: BigInt64Array.from([0, ...grid.data, ...patch, channels], BigInt), shape: [8] }
}

/** `name` stands in front of errors. */
export function wanTransformer(parts: WanParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const times = { channels: c.timeFeatures, intervals: c.timeFeatures / 2, cosinesFirst: true }
  const seen = c.vision ? ['context', 'vision'] : ['context']
  return new PartedTransformer({
    facts: {
      family: 'wan',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(['attn', 'mlp']),
      taps: new Set(['modulated', 'temb', MODS]),
    },
    ...{ name, weights, carried: ['image', MODS, ...seen], constants: ['cos', 'sin'] },
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, timestep } = pick(rows, ['latent', 'timestep'])
        const beside = c.inChannels > c.channels ? pick(rows, ['concat']) : {}
        return { latent: latent, ...beside, time: sinusoids(timestep.data, times) }
      },
    },
    blocks: (from, to, style) => blocksGraph(parts, [from, to], style),
    modular: { width: c.width, heads: c.heads, doubleBlocks: c.blocks, imageOnly: true },
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...pick(rows, ['image', 'temb']), grid: headShape(shared, c) }),
      finish: ({ prediction }) => ({ prediction: wholeVolume(prediction!) }),
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: (rows) => pick(rows, ['image', MODS]) } },
    readable: ['temb', MODS],
    prompt(conditioning, latentShape) {
      assertFits(name, c, conditioning, latentShape)
      const { tokens, tensors } = conditioning
      const pictured = tensors?.['clip_vision_output']
      const [f, h, w] = patchCounts(latentShape, c.patch)
      return {
        feeds: { tokens, ...(c.vision && pictured ? { pictured } : {}) },
        rows: c.inChannels > c.channels ? { concat: besideLatent(name, c, conditioning, latentShape) } : {},
        tokens: { image: f * h * w, text: (tokens.shape[1] ?? 0) + (c.vision ? (pictured?.shape[1] ?? 0) : 0) },
      }
    },
    shared(latentShape) {
      const [f, h, w] = patchCounts(latentShape, c.patch)
      const { cos, sin } = rotaryTables(f * h * w, gridPlace(h, w), rotaryAxes(c))
      return { grid: volumeGrid(latentShape, c.patch), cos, sin }
    },
    width: c.width,
    flops: (part, tokens) => wanFlops(part, tokens, c),
  })
}
