/** The sizes of a Qwen-Image transformer, from a diffusers config.json or from the shapes of a file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import { readAxes, type RotaryAxes } from '../shared/rotary.ts'

export interface QwenConfig {
  /** Of the latent it takes and gives. */
  readonly channels: number
  /** Latent cells along each side of a patch. */
  readonly patch: number
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  readonly blocks: number
  /** Width of the text tokens (Qwen2.5-VL). */
  readonly textWidth: number
  /** Frame, row, column. */
  readonly axes: RotaryAxes
}

/** Inner layers of the MLPs are this many times as wide, in all Qwen-Image models. */
export const MLP_RATIO = 4
const THETA = 10_000

/** From the config.json of QwenImageTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseQwenConfig(json: Json, where: string): QwenConfig {
  const fields = new Fields(json, where)
  const [heads, headSize] = [fields.count('num_attention_heads', 24), fields.count('attention_head_dim', 128)]
  const [packed, patch] = [fields.count('in_channels', 64), fields.count('patch_size', 2)]
  const channels = fields.count('out_channels', 16)
  const sizes = readAxes(fields, 'axes_dims_rope', [16, 56, 56], headSize)
  fields.require(
    packed === channels * patch ** 2,
    `in_channels is ${packed}, expected out_channels * patch_size^2 = ${channels * patch ** 2}`,
  )
  for (const name of ['zero_cond_t', 'use_additional_t_cond', 'use_layer3d_rope'])
    fields.require(!fields.flag(name, false), `${name} is set: models that edit or make layers are not supported`)
  const config: QwenConfig = {
    ...{ channels, patch, heads, headSize },
    width: heads * headSize,
    blocks: fields.count('num_layers', 60),
    textWidth: fields.count('joint_attention_dim', 3584),
    axes: { sizes, theta: THETA },
  }
  fields.done()
  return config
}

/** A key that every file has, and no other family's. */
export const QWEN_SIGN = 'transformer_blocks.0.img_mod.1.weight'

/** Of all published Qwen-Image models: they leave no trace in the weights. */
const PUBLISHED = { patch: 2, axes: { sizes: [16, 56, 56], theta: THETA }, headSize: 128 }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no published Qwen-Image's. */
export function inferQwenConfig(tensors: Weights['tensors']): QwenConfig | null {
  const width = extentOf(tensors, 'img_in.weight', 0)
  const headSize = extentOf(tensors, 'transformer_blocks.0.attn.norm_q.weight', 0)
  const blocks = countBlocks(tensors, (i) => `transformer_blocks.${i}.img_mod.1.weight`)
  if (headSize !== PUBLISHED.headSize || width % headSize !== 0 || blocks === 0) return null
  return {
    ...{ ...PUBLISHED, width, blocks },
    channels: extentOf(tensors, 'img_in.weight', 1) / PUBLISHED.patch ** 2,
    heads: width / headSize,
    textWidth: extentOf(tensors, 'txt_in.weight', 1),
  }
}
