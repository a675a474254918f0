/** A U-Net as a chain of units that can be run one by one, and which skip tensors are alive between any two of them. */
import type { Attention, UnetConfig } from './config.ts'

/** A resnet by the name of its weights, with a stack of attention after it or none. */
export interface Layer {
  readonly resnet: string
  readonly wide: number
  readonly out: number
  readonly attention: (Attention & { readonly name: string }) | null
}

/** One unit; `level` is how often the latent's sides have been halved where it works. */
export type Unit =
  | { readonly kind: 'down'; readonly block: number; readonly level: number; readonly layer: Layer }
  | {
      readonly kind: 'shrink'
      readonly block: number
      readonly level: number
      readonly conv: string
      readonly width: number
    }
  | { readonly kind: 'middle'; readonly level: number; readonly layer: Layer; readonly after: Layer | null }
  | {
      readonly kind: 'up'
      readonly block: number
      readonly level: number
      readonly layer: Layer
      /** Which skip tensor it takes: `layer.wide` counts its channels. */
      readonly skip: number
      /** The convolution after the sides are doubled; null but in the last layer of a block. */
      readonly enlarge: string | null
    }

export interface Chain {
  readonly units: readonly Unit[]
  /** Channels of each skip tensor; skip i stands before unit i. */
  readonly skipWidths: readonly number[]
  /** Channels of the tokens at each cut: before unit i, and at the end. */
  readonly widths: readonly number[]
}

const layerOf = (block: string, index: number, wide: number, out: number, attention: Attention | null): Layer => ({
  resnet: `${block}.resnets.${index}`,
  ...{ wide, out },
  attention: attention && { ...attention, name: `${block}.attentions.${index}` },
})

function downUnits({ levels }: UnetConfig): Unit[] {
  let wide = levels[0]?.width ?? 0
  return levels.flatMap(({ width, down }, block) => {
    const name = `down_blocks.${block}`
    const units = down.map((attention, i): Unit => {
      const layer = layerOf(name, i, wide, width, attention)
      wide = width
      return { kind: 'down', block, level: block, layer }
    })
    const shrink: Unit = { kind: 'shrink', block, level: block, conv: `${name}.downsamplers.0.conv`, width }
    return block + 1 < levels.length ? [...units, shrink] : units
  })
}

function middleUnits({ levels, middle }: UnetConfig): Unit[] {
  if (!middle) return []
  const width = levels.at(-1)?.width ?? 0
  const layer = layerOf('mid_block', 0, width, width, middle.attention)
  const after = middle.attention && layerOf('mid_block', 1, width, width, null)
  return [{ kind: 'middle', level: levels.length - 1, layer, after }]
}

function upUnits({ levels }: UnetConfig, skipWidths: readonly number[]): Unit[] {
  const last = levels.length - 1
  let wide = levels[last]?.width ?? 0
  let skip = skipWidths.length
  return levels.toReversed().flatMap(({ width, up }, block) =>
    up.map((attention, i): Unit => {
      skip--
      const layer = layerOf(`up_blocks.${block}`, i, wide + (skipWidths[skip] ?? 0), width, attention)
      wide = width
      const doubles = i + 1 === up.length && block < last
      return {
        kind: 'up',
        block,
        level: last - block,
        layer,
        skip,
        enlarge: doubles ? `up_blocks.${block}.upsamplers.0.conv` : null,
      }
    }),
  )
}

const outOf = (unit: Unit): number => (unit.kind === 'shrink' ? unit.width : unit.layer.out)

/** The units in the order in which they run. Throws when as many skip tensors are not taken back as are made. */
export function chainOf(config: UnetConfig): Chain {
  const first = config.levels[0]?.width ?? 0
  const down = downUnits(config)
  const skipWidths = [first, ...down.map(outOf)]
  const up = upUnits(config, skipWidths)
  if (up.length !== skipWidths.length)
    throw new Error(`U-Net: ${skipWidths.length} skip tensors on the way down, ${up.length} layers on the way up`)
  const units = [...down, ...middleUnits(config), ...up]
  return { units, skipWidths, widths: [first, ...units.map(outOf)] }
}

/** How many skip tensors, from the first, are alive at a cut. */
export function skipsAt({ skipWidths, units }: Chain, cut: number): number {
  const ups = skipWidths.length
  return Math.min(cut + 1, ups) - Math.max(0, cut - (units.length - ups))
}

export const skipName = (index: number): string => `skip.${index}`
