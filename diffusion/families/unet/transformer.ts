/** A Stable Diffusion U-Net in parts: its units are the blocks, its skip tensors rows that travel between them. */
import { tensor, zeros, type Tensor } from '../../tensor.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { PartedTransformer, pick } from '../shared/parted.ts'
import { sinusoids } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { besideFaults, besideRow, isJoined, joinChannels } from './beside.ts'
import type { UnetConfig } from './config.ts'
import { unetFlops } from './flops.ts'
import { addedGraph, blocksGraph, embedGraph, headGraph } from './graphs.ts'
import type { UnetParts } from './layers.ts'
import { sizeFaults, sizeFeatures } from './sizes.ts'
import { chainOf, skipName, skipsAt } from './units.ts'

function assertFits(name: string, c: UnetConfig, conditioning: Conditioning, shape: readonly number[]): void {
  const { tokens } = conditioning
  const faults = c.sizes ? sizeFaults(c.sizes, conditioning) : []
  faults.push(...textFaults(tokens, c.textWidth))
  const [channels, height = 0, width = 0] = shape
  const fits = channels === c.channels || isJoined(c, shape)
  const least = 2 ** (c.levels.length - 1)
  if (shape.length !== 3 || !fits || height < least || width < least)
    faults.push(`the latent is [${shape.join(', ')}], expected [${c.channels}, H, W] with sides of ${least} or more`)
  if (isJoined(c, shape)) faults.push(...besideFaults(c, conditioning, shape))
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
}

/** Features of the guidance of a distilled model, as LCM was trained (Luo et al. 2023): of a thousand times the scale less one. */
function guidanceRow({ extras, tensors }: Conditioning, width: number): Tensor {
  const given = tensors?.['guidance']
  if (given) return given
  const guidance = extras['guidance']
  if (guidance === undefined) return zeros([1, width])
  return sinusoids([1000 * (guidance - 1)], { channels: width, intervals: (width >> 1) - 1, cosinesFirst: false })
}

/** [1, H W, width] as [1, width, H, W]. */
function cellsOf({ data, shape }: Tensor, [height = 0, width = 0]: readonly number[]): Tensor {
  const [batch = 1, cells = 0, channels = 0] = shape
  const out = new Float32Array(data.length)
  for (let b = 0; b < batch; b++)
    for (let cell = 0; cell < cells; cell++)
      for (let c = 0; c < channels; c++)
        out[(b * channels + c) * cells + cell] = data[(b * cells + cell) * channels + c]!
  return tensor(out, [batch, channels, height, width])
}

/** `name` stands in front of errors. */
export function unetTransformer(parts: UnetParts, name: string): PartedTransformer {
  const { config: c, weights } = parts
  const chain = chainOf(c)
  const depth = chain.units.length
  const width = c.levels[0]?.width ?? 0
  const timed = { channels: width, intervals: (width >> 1) - c.frequencyShift, cosinesFirst: c.cosinesFirst }
  const further = [...(c.sizes ? ['added'] : []), ...(c.guidanceWidth === null ? [] : ['guidance'])]
  return new PartedTransformer({
    facts: {
      family: 'unet',
      depth,
      cuts: new Set([0, 1, depth - 1, depth]),
      skips: chain.skipWidths.length,
      modules: new Set(),
      taps: new Set(['temb']),
    },
    ...{ name, weights, carried: ['image', 'context', 'temb'] },
    skips: {
      at: (cut) => Array.from({ length: skipsAt(chain, cut) }, (_, i) => skipName(i)),
      // What stands before a unit on the way down is its skip tensor; the first two levels of tokens have the latent's sides.
      stand: (cut, rows) =>
        cut === 1 && !rows[skipName(1)] && rows['image'] && rows[skipName(0)]
          ? { [skipName(1)]: cellsOf(rows['image'], rows[skipName(0)]!.shape.slice(2)) }
          : {},
    },
    text: c.sizes ? () => addedGraph(parts) : null,
    embed: {
      graph: () => embedGraph(parts),
      feeds(rows) {
        const { latent, timestep } = pick(rows, ['latent', 'timestep'])
        const { beside } = rows
        const whole = beside ? joinChannels(latent, beside) : latent
        return { latent: whole, features: sinusoids(timestep.data, timed), ...pick(rows, further) }
      },
    },
    blocks: (from, to) => blocksGraph(parts, chain, from, to),
    head: {
      graph: () => headGraph(parts),
      feeds(rows, shared) {
        const [high = 0, wide = 0] = pick(shared, ['sides']).sides.data
        return {
          ...pick(rows, ['image']),
          grid: { data: BigInt64Array.from([0, width, high, wide], BigInt), shape: [4] },
        }
      },
      finish: (made) => made,
    },
    taps: {},
    readable: ['temb'],
    prompt(conditioning, latentShape) {
      assertFits(name, c, conditioning, latentShape)
      const { tokens, pooled } = conditioning
      const [, high = 0, wide = 0] = latentShape
      const rows: Rows = {
        context: tokens,
        ...(isJoined(c, latentShape) ? { beside: besideRow(c, conditioning, latentShape) } : {}),
        ...(c.guidanceWidth === null ? {} : { guidance: guidanceRow(conditioning, c.guidanceWidth) }),
      }
      const feeds = c.sizes && pooled ? { pooled, sizes: sizeFeatures(c, conditioning, latentShape) } : {}
      return { feeds, rows, tokens: { image: high * wide, text: tokens.shape[1] ?? 0 } }
    },
    shared: ([, high = 0, wide = 0]) => ({ sides: tensor(Float32Array.of(high, wide), [2]) }),
    width: c.levels[0]?.width ?? 0,
    flops: (part, tokens) => unetFlops(part, tokens, c, chain),
  })
}
