/** The sizes of a PixArt-alpha or PixArt-sigma transformer, from its diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { isGiven, patchSizes, readPatched, type PatchedConfig } from '../shared/patched-config.ts'

export interface PixArtConfig extends PatchedConfig {
  /** Width of the text tokens (T5). */
  readonly textWidth: number
  /** Whether the picture's size and aspect ratio are inputs (PixArt-alpha at 1024). */
  readonly sized: boolean
}

/** Side of the latents of the models that take the picture's size. */
const SIZED_SAMPLE = 128

/** From the config.json of PixArtTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parsePixArtConfig(json: Json, where: string): PixArtConfig {
  const fields = new Fields(json, where)
  const given = (name: string): boolean => isGiven(json, name)
  const sizes = readPatched(fields, json, { norm: 'ada_norm_single', epsilon: 1e-6 })
  const { width, patch } = sizes
  const sample = fields.count('sample_size', SIZED_SAMPLE)
  const config: PixArtConfig = {
    ...sizes,
    textWidth: fields.count('caption_channels', 4096),
    sized: given('use_additional_conditions') ? fields.flag('use_additional_conditions') : sample === SIZED_SAMPLE,
    grid: {
      base: Math.floor(sample / patch),
      interpolation: given('interpolation_scale')
        ? fields.number('interpolation_scale')
        : Math.max(1, Math.floor(sample / 64)),
    },
  }
  const cross = given('cross_attention_dim') ? fields.count('cross_attention_dim') : width
  fields.require(cross === width, `cross_attention_dim is ${cross}, expected heads * head size = ${width}`)
  fields.require(
    width % (config.sized ? 12 : 4) === 0,
    `the width ${width} must be a multiple of ${config.sized ? 12 : 4}`,
  )
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as the authors do. */
export type PixArtLayout = 'diffusers' | 'original'

/** Where each layout shows the sizes. */
const SIGNS = {
  original: {
    image: 'x_embedder.proj.weight',
    text: 'y_embedder.y_proj.fc1.weight',
    out: 'final_layer.linear.bias',
    sized: 'ar_embedder.mlp.0.weight',
    query: 'blocks.0.attn.qkv.bias',
    positions: 'pos_embed',
    block: (i: number) => `blocks.${i}.cross_attn.q_linear.weight`,
  },
  diffusers: {
    image: 'pos_embed.proj.weight',
    text: 'caption_projection.linear_1.weight',
    out: 'proj_out.bias',
    sized: 'adaln_single.emb.aspect_ratio_embedder.linear_1.weight',
    query: 'transformer_blocks.0.attn1.to_q.bias',
    positions: 'pos_embed.pos_embed',
    block: (i: number) => `transformer_blocks.${i}.attn2.to_q.weight`,
  },
}

/** Keys of which every PixArt file has one. */
export const PIXART_SIGNS = ['t_block.1.weight', 'adaln_single.linear.weight']

/** Head size of every published PixArt. */
const HEAD = 72
/** Side of the pictures' latents, in cells, that interpolation of positions is counted from. */
const UNSTRETCHED = 64

/**
 * From the shapes of a file without configuration, or null when they are no PixArt's. The size that positions are counted by shows in the
 * table of positions where the file has one; otherwise it is taken for a model of 1024 pixels.
 */
export function inferPixArtConfig(tensors: Weights['tensors'], layout: PixArtLayout): PixArtConfig | null {
  const signs = SIGNS[layout]
  const { width, channels, patch } = patchSizes(tensors, signs.image)
  const blocks = countBlocks(tensors, signs.block)
  if (width === 0 || width % HEAD !== 0 || blocks === 0 || patch === 0) return null
  const base = Math.sqrt(extentOf(tensors, signs.positions, 1)) || SIZED_SAMPLE / patch
  return {
    ...{ channels, width, patch, blocks },
    outChannels: extentOf(tensors, signs.out, 0) / patch ** 2,
    heads: width / HEAD,
    textWidth: extentOf(tensors, signs.text, 1),
    sized: tensors.has(signs.sized),
    attentionBias: tensors.has(signs.query),
    epsilon: 1e-6,
    grid: { base, interpolation: Math.max(1, Math.floor((base * patch) / UNSTRETCHED)) },
  }
}
