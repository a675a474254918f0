/** The sizes of a DiT transformer, from its diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { patchSizes, readPatched, type PatchedConfig } from '../shared/patched-config.ts'

export interface DitConfig extends PatchedConfig {
  /** Labels; the one after the last is the null class of classifier-free guidance. */
  readonly classes: number
  /** Of the norm before the MLP. */
  readonly epsilon: number
}

/** From the config.json of DiTTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseDitConfig(json: Json, where: string): DitConfig {
  const fields = new Fields(json, where)
  const sizes = readPatched(fields, json, { norm: 'ada_norm_zero', epsilon: 1e-5 })
  const { width, patch } = sizes
  fields.require(width % 4 === 0, `num_attention_heads * attention_head_dim is ${width}, expected a multiple of 4`)
  const config: DitConfig = {
    ...sizes,
    classes: fields.count('num_embeds_ada_norm', 1000),
    grid: { base: Math.floor(fields.count('sample_size', 32) / patch), interpolation: 1 },
  }
  fields.done()
  return config
}

/** How checkpoints are keyed: as diffusers saves them, or as the authors do. */
export type DitLayout = 'diffusers' | 'original'

/** Where each layout shows the sizes. */
const SIGNS = {
  original: {
    image: 'x_embedder.proj.weight',
    classes: 'y_embedder.embedding_table.weight',
    out: 'final_layer.linear.bias',
    query: 'blocks.0.attn.qkv.bias',
    positions: 'pos_embed',
    block: (i: number) => `blocks.${i}.adaLN_modulation.1.weight`,
  },
  diffusers: {
    image: 'pos_embed.proj.weight',
    classes: 'transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight',
    out: 'proj_out_2.bias',
    query: 'transformer_blocks.0.attn1.to_q.bias',
    positions: 'pos_embed.pos_embed',
    block: (i: number) => `transformer_blocks.${i}.norm1.linear.weight`,
  },
}

/** Keys of which every DiT file has one. */
export const DIT_SIGNS = [SIGNS.original.classes, SIGNS.diffusers.classes]

/** Head sizes of the published DiTs: XL's, and those of S, B and L. */
const [XL_HEAD, HEAD] = [72, 64]
/** Patches along each side where no table of positions says it: those of 256 pixels. */
const USUAL_BASE = 16

/** From the shapes of a file without configuration, or null when they are no DiT's. */
export function inferDitConfig(tensors: Weights['tensors'], layout: DitLayout): DitConfig | null {
  const signs = SIGNS[layout]
  const { width, channels, patch } = patchSizes(tensors, signs.image)
  const [blocks, rows] = [countBlocks(tensors, signs.block), extentOf(tensors, signs.classes, 0)]
  const head = width % XL_HEAD === 0 ? XL_HEAD : HEAD
  if (width === 0 || width % head !== 0 || blocks === 0 || rows === 0) return null
  return {
    ...{ channels, width, patch, blocks },
    outChannels: extentOf(tensors, signs.out, 0) / patch ** 2,
    heads: width / head,
    classes: rows - 1,
    attentionBias: tensors.has(signs.query),
    epsilon: 1e-6,
    grid: { base: Math.sqrt(extentOf(tensors, signs.positions, 1)) || USUAL_BASE, interpolation: 1 },
  }
}
