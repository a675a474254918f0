/** A Qwen-Image transformer in parts. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'
import { inPatches, packedShape, pictureFaults } from '../shared/packing.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridRow, unpatched } from '../shared/patches.ts'
import { rotaryTables } from '../shared/rotary.ts'
import { sinusoids, TIME_CHANNELS } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { visibleTokens } from '../shared/text-mask.ts'
import type { QwenConfig } from './config.ts'
import { qwenFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, textGraph, type QwenParts } from './graphs.ts'

/** Noise levels are turned into training steps after they meet the frequencies. */
const TIME = { channels: TIME_CHANNELS, intervals: TIME_CHANNELS / 2, cosinesFirst: true, factor: 1000 }

/** A latent [C, 1, H, W] as [C, H, W]: the autoencoder is one for video, of which a picture is the first frame. */
const pictureOf = (latentShape: readonly number[]): readonly number[] =>
  latentShape.length === 4 && latentShape[1] === 1 ? [latentShape[0]!, ...latentShape.slice(2)] : latentShape

/** Rotary tables of h x w patches, whose rows and columns are counted from the middle. */
function imageTables({ axes }: QwenConfig, h: number, w: number): Rows {
  const [above, left] = [h - Math.floor(h / 2), w - Math.floor(w / 2)]
  return { ...rotaryTables(h * w, (token) => [0, Math.floor(token / w) - above, (token % w) - left], axes) }
}

/** Rotary tables of text tokens as rows: on all axes beyond the picture's positions. */
function textTables({ axes }: QwenConfig, places: readonly number[], h: number, w: number): Rows {
  const start = Math.max(Math.floor(h / 2), Math.floor(w / 2))
  const { cos, sin } = rotaryTables(places.length, (token) => axes.sizes.map(() => start + places[token]!), axes)
  const asRow = ({ data, shape }: Tensor): Tensor => tensor(data, [1, ...shape])
  return { 'text cos': asRow(cos), 'text sin': asRow(sin) }
}

/** `name` stands in front of errors. */
export function qwenTransformer(parts: QwenParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const imageAndTime = (rows: Rows): Rows => pick(rows, ['image', 'temb'])
  const sides = (latentShape: readonly number[]) => {
    const [, height = 0, width = 0] = pictureOf(latentShape)
    return [height / c.patch, width / c.patch] as const
  }
  return new PartedTransformer({
    facts: {
      family: 'qwen-image',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(['attn', 'mlp']),
      taps: new Set(['modulated', 'temb', 'attention mass']),
    },
    ...{ name, weights, constants: ['cos', 'sin'] },
    carried: ['image', 'text', 'temb', 'text cos', 'text sin'],
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, sigma } = pick(rows, ['latent', 'sigma'])
        const [batch = 0, ...own] = latent.shape
        const picture = tensor(latent.data, [batch, ...pictureOf(own)])
        return { patches: inPatches(picture, c.patch), time: sinusoids(sigma.data, TIME) }
      },
    },
    blocks: (from, to, style) => blocksGraph(parts, [from, to], style),
    modular: { width: c.width, heads: c.heads, doubleBlocks: c.blocks },
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...imageAndTime(rows), grid: packedShape(shared, c.patch, c.channels) }),
      finish({ prediction }, { frames }) {
        const { data, shape } = unpatched(prediction!)
        return { prediction: tensor(data, [...shape.slice(0, 2), ...(frames?.data ?? []), ...shape.slice(2)]) }
      },
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: imageAndTime } },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      const { tokens: given } = conditioning
      const faults = [...pictureFaults(pictureOf(latentShape), c.channels, c.patch)]
      faults.push(...textFaults(given, c.textWidth))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
      const [h, w] = sides(latentShape)
      const { tokens, places } = visibleTokens(name, conditioning)
      return { feeds: { tokens }, rows: textTables(c, places, h, w), tokens: { image: h * w, text: places.length } }
    },
    shared(latentShape) {
      const frames = latentShape.length === 4 ? { frames: tensor(Float32Array.of(1), [1]) } : {}
      return { ...imageTables(c, ...sides(latentShape)), ...frames, grid: gridRow(pictureOf(latentShape), c.patch) }
    },
    width: c.width,
    flops: (part, tokens) => qwenFlops(part, tokens, c),
  })
}
