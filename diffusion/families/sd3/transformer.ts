/** A Stable Diffusion 3 transformer in parts. */
import type { Tensor } from '../../tensor.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { gridRow, gridShape, unpatched } from '../shared/patches.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { timeFeatures } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { blocksGraph, modulatedGraph, type Sd3Parts } from './blocks.ts'
import type { Sd3Config } from './config.ts'
import { sd3Flops } from './flops.ts'
import { embedGraph, headGraph, textGraph } from './graphs.ts'

const CARRIED = ['image', 'text', 'temb'] as const

/** The prompt's tensors; throws one error with all that does not suit the model. */
function checked(
  name: string,
  c: Sd3Config,
  { tokens, pooled }: Conditioning,
  latentShape: readonly number[],
): { tokens: Tensor; pooled: Tensor } {
  const [channels, height = 0, width = 0] = latentShape
  const longest = c.positions * c.patch
  const faults = [...textFaults(tokens, c.textWidth)]
  if (pooled?.shape[1] !== c.pooledWidth)
    faults.push(`pooled text is ${pooled ? `[${pooled.shape.join(', ')}]` : 'absent'}, expected [1, ${c.pooledWidth}]`)
  if (channels !== c.channels || latentShape.length !== 3)
    faults.push(`the latent is [${latentShape.join(', ')}], expected [${c.channels}, H, W]`)
  if ([height, width].some((side) => side < c.patch || side > longest || side % c.patch !== 0))
    faults.push(`the latent's sides ${height} x ${width} must be multiples of ${c.patch} up to ${longest}`)
  if (faults.length > 0 || !pooled) throw new Error(`${name}: ${faults.join('; ')}`)
  return { tokens, pooled }
}

/** `name` stands in front of errors. */
export function sd3Transformer(parts: Sd3Parts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const imageAndTime = (rows: Rows): Rows => pick(rows, ['image', 'temb'])
  return new PartedTransformer({
    facts: {
      family: 'sd3',
      depth: c.blocks,
      cuts: new Set(Array.from({ length: c.blocks + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(['modulated', 'temb']),
    },
    ...{ name, weights, carried: CARRIED },
    text: () => textGraph(parts),
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, timestep, vector } = pick(rows, ['latent', 'timestep', 'vector'])
        return { latent, vector, time: timeFeatures(timestep.data) }
      },
    },
    blocks: (from, to) => blocksGraph(parts, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds: (rows, shared) => ({ ...imageAndTime(rows), grid: gridShape(shared, c.patch, c.outChannels) }),
      finish: ({ prediction }) => ({ prediction: unpatched(prediction!) }),
    },
    taps: {
      modulated: { graph: () => modulatedGraph(parts), feeds: imageAndTime },
    },
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      const { tokens, pooled } = checked(name, c, conditioning, latentShape)
      const [, height = 0, width = 0] = latentShape
      const counts = { image: (height * width) / c.patch ** 2, text: tokens.shape[1] ?? 0 }
      return { feeds: { tokens, pooled }, rows: {}, tokens: counts }
    },
    shared: (latentShape) => ({ grid: gridRow(latentShape, c.patch) }),
    width: c.width,
    flops: (part, tokens) => sd3Flops(part, tokens, c),
  })
}
