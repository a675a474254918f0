/** The sizes of a U-Net from the shapes of a file without configuration, in either layout. */
import type { Weights } from '../../onnx/weights.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { USUAL, type Attention, type Level, type UnetConfig } from './config.ts'
import type { UnetLayout } from './keys.ts'

type Tensors = Weights['tensors']

/** A resnet as a file shows it: its width, and the name of the stack of attention that would follow it. */
interface Seen {
  readonly width: number
  readonly stack: string
}

/** Where a layout shows the sizes. */
interface Signs {
  readonly first: string
  readonly last: string
  readonly time: string
  readonly guidance: string
  readonly sizes: string
  readonly middle: { readonly resnet: string; readonly stack: string }
  /** Resnets on the way down by level, finest first. */
  down(tensors: Tensors): readonly (readonly Seen[])[]
  /** Name of the stack after layer `index` of all layers on the way up; `block` and `layer` say the same by level, coarsest first. */
  up(index: number, block: number, layer: number): string
}

const SIGNS: Readonly<Record<UnetLayout, Signs>> = {
  original: {
    first: 'input_blocks.0.0.weight',
    last: 'out.2.weight',
    time: 'time_embed.0.weight',
    guidance: 'time_embed.cond_proj.weight',
    sizes: 'label_emb.0.0.weight',
    middle: { resnet: 'middle_block.0.in_layers.0.weight', stack: 'middle_block.1' },
    down(tensors) {
      const levels: Seen[][] = [[]]
      for (let i = 1; ; i++) {
        const block = `input_blocks.${i}`
        const width = extentOf(tensors, `${block}.0.out_layers.3.weight`, 0)
        if (width > 0) levels.at(-1)!.push({ width, stack: `${block}.1` })
        else if (tensors.has(`${block}.0.op.weight`)) levels.push([])
        else return levels
      }
    },
    up: (index) => `output_blocks.${index}.1`,
  },
  diffusers: {
    first: 'conv_in.weight',
    last: 'conv_out.weight',
    time: 'time_embedding.linear_1.weight',
    guidance: 'time_embedding.cond_proj.weight',
    sizes: 'add_embedding.linear_1.weight',
    middle: { resnet: 'mid_block.resnets.0.norm1.weight', stack: 'mid_block.attentions.0' },
    down(tensors) {
      const key = (level: number, layer: number): string => `down_blocks.${level}.resnets.${layer}.conv2.weight`
      const levels = countBlocks(tensors, (level) => key(level, 0))
      return Array.from({ length: levels }, (_, level) =>
        Array.from({ length: countBlocks(tensors, (layer) => key(level, layer)) }, (_, layer) => ({
          width: extentOf(tensors, key(level, layer), 0),
          stack: `down_blocks.${level}.attentions.${layer}`,
        })),
      )
    },
    up: (_, block, layer) => `up_blocks.${block}.attentions.${layer}`,
  },
}

/** A key of each layout that no other family has. */
export const UNET_SIGNS = [SIGNS.original.first, 'down_blocks.0.resnets.0.time_emb_proj.weight']

/** Heads leave no trace in the weights: 8 in Stable Diffusion 1, one for every 64 values in those with linear projections. */
const headsOf = (width: number, linear: boolean): number => (linear ? Math.max(1, width / 64) : 8)
/** Values of each size's embedding in SDXL. */
const SIZE_CHANNELS = 256

const attn = (stack: string, which: 1 | 2): string => `${stack}.transformer_blocks.0.attn${which}.to_k.weight`

/** From the shapes of a file (prefix already taken off), or null when they are no U-Net's. */
export function inferUnetConfig(tensors: Tensors, layout: UnetLayout): UnetConfig | null {
  const signs = SIGNS[layout]
  const seen = signs.down(tensors)
  const all = seen.flat()
  const stacks = [...all.map(({ stack }) => stack), signs.middle.stack].filter((stack) => tensors.has(attn(stack, 2)))
  const [stack] = stacks
  if (stack === undefined || seen.some((layers) => layers.length === 0)) return null
  const linear = tensors.get(`${stack}.proj_in.weight`)?.shape.length === 2
  const textWidth = extentOf(tensors, attn(stack, 2), 1)
  const attention = (name: string, width: number): Attention | null => {
    if (!tensors.has(`${name}.norm.weight`)) return null
    const depth = countBlocks(tensors, (i) => `${name}.transformer_blocks.${i}.attn1.to_q.weight`)
    const from = extentOf(tensors, attn(name, 1), 1)
    return { depth, heads: headsOf(width, linear), crossOnly: from === textWidth && from !== width }
  }
  const last = seen.length - 1
  let above = all.length + seen.length
  const levels = seen.map((layers, level): Level => {
    const { width } = layers.at(-1)!
    above -= layers.length + 1
    return {
      width,
      down: layers.map((one) => attention(one.stack, width)),
      up: Array.from({ length: layers.length + 1 }, (_, i) => attention(signs.up(above + i, last - level, i), width)),
    }
  })
  const middle = attention(signs.middle.stack, levels[last]?.width ?? 0)
  const sizes = extentOf(tensors, signs.sizes, 1)
  const kernel = (key: string): number => extentOf(tensors, key, 2)
  return {
    ...{ ...USUAL, levels, textWidth, linear },
    channels: extentOf(tensors, signs.first, 1),
    outChannels: extentOf(tensors, signs.last, 0),
    middle: tensors.has(signs.middle.resnet) ? { attention: middle } : null,
    timeWidth: extentOf(tensors, signs.time, 0),
    sizes: sizes > 0 ? { each: SIZE_CHANNELS, all: sizes } : null,
    guidanceWidth: extentOf(tensors, signs.guidance, 1) || null,
    kernels: [kernel(signs.first), kernel(signs.last)],
  }
}
