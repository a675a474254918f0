/** A Z-Image transformer in parts. Tokens of the text and of the image are filled up to multiples of 32, and the filling is looked at. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'
import { inPatches, pictureFaults } from '../shared/packing.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { gridRow, gridShape, unpatched } from '../shared/patches.ts'
import { rotaryTables, type RotaryTables } from '../shared/rotary.ts'
import { timeFeatures } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { visibleTokens } from '../shared/text-mask.ts'
import type { ZImageConfig } from './config.ts'
import { zImageFlops } from './flops.ts'
import { blocksGraph, embedGraph, headGraph, modulatedGraph, textGraph, type ZImageParts } from './graphs.ts'

const MULTIPLE = 32
const filledTo = (tokens: number): number => Math.ceil(tokens / MULTIPLE) * MULTIPLE
const { fround } = Math

/** What the model is told of noise levels [B]: shares of the clean picture, as given in `clean` or 1 - sigma, whose last digit shows. */
const times = ({ timeScale }: ZImageConfig, sigma: Tensor, clean?: Tensor): readonly number[] =>
  Array.from(clean?.data ?? sigma.data.map((level) => 1 - level), (share) => fround(share * timeScale))

const asRow = ({ data, shape }: Tensor): Tensor => tensor(data, [1, ...shape])
const asRows = (what: string, { cos, sin }: RotaryTables): Rows => ({
  [`${what} cos`]: asRow(cos),
  [`${what} sin`]: asRow(sin),
})

/** Text counts up from 1 on the first axis; the picture stands behind it there, its filling at 0. */
function placeTables({ axes }: ZImageConfig, text: number, h: number, w: number): Rows {
  const [length, tokens] = [filledTo(text), filledTo(h * w)]
  const inPicture = (token: number) => [length + 1, Math.floor(token / w), token % w]
  return {
    ...asRows(
      'text',
      rotaryTables(length, (token) => [1 + token, 0, 0], axes),
    ),
    ...asRows(
      'image',
      rotaryTables(tokens, (token) => (token < h * w ? inPicture(token) : [0, 0, 0]), axes),
    ),
  }
}

/** `name` stands in front of errors. */
export function zImageTransformer(parts: ZImageParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const imageAndTime = (rows: Rows): Rows => pick(rows, ['image', 'temb'])
  return new PartedTransformer({
    facts: {
      family: 'z-image',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(['modulated', 'temb']),
    },
    ...{ name, weights },
    carried: ['image', 'text', 'temb', 'image cos', 'image sin', 'text cos', 'text sin'],
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, sigma, ...tables } = pick(rows, ['latent', 'sigma', 'image cos', 'image sin'])
        return { patches: inPatches(latent, c.patch), time: timeFeatures(times(c, sigma, rows['clean'])), ...tables }
      },
    },
    blocks: (from, to) => blocksGraph(parts, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds(rows, shared) {
        const [h = 0, w = 0] = pick(shared, ['grid']).grid.data
        const count = { data: BigInt64Array.of(BigInt(h * w)), shape: [1] }
        return { ...imageAndTime(rows), count, grid: gridShape(shared, c.patch, c.channels) }
      },
      finish: ({ prediction }) => ({ prediction: unpatched(prediction!) }),
    },
    taps: { modulated: { graph: () => modulatedGraph(parts), feeds: imageAndTime } },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      const { tokens: given } = conditioning
      const faults = [...pictureFaults(latentShape, c.channels, c.patch)]
      faults.push(...textFaults(given, c.textWidth))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
      const { tokens, places } = visibleTokens(name, conditioning)
      const [, height = 0, width = 0] = latentShape
      const [h, w] = [height / c.patch, width / c.patch]
      const rows = placeTables(c, places.length, h, w)
      const { 'text cos': cos, 'text sin': sin } = rows
      return {
        feeds: { tokens, cos: cos!, sin: sin! },
        rows,
        tokens: { image: filledTo(h * w), text: filledTo(places.length) },
      }
    },
    shared: (latentShape) => ({ grid: gridRow(latentShape, c.patch) }),
    width: c.width,
    flops: (part, tokens) => zImageFlops(part, tokens, c),
  })
}
