/** The sizes of a WAN transformer, from its config.json or from the shapes in its file. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import { extentOf } from '../shared/fits.ts'
import { countBlocks } from '../shared/locate.ts'
import type { VolumePatch } from '../shared/volumes.ts'

export interface WanConfig {
  /** Those of the latent and of what is laid beside it (image-to-video: a mask and the encoded picture). */
  readonly inChannels: number
  /** Those of the latent. */
  readonly channels: number
  readonly patch: VolumePatch
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  readonly blocks: number
  /** Width inside the feed-forward. */
  readonly inner: number
  /** Sinusoidal features of the time. */
  readonly timeFeatures: number
  /** Width of the text tokens (UMT5). */
  readonly textWidth: number
  /** Image-to-video: width of the picture's tokens (CLIP vision), which text-to-video has none of. */
  readonly vision: { readonly width: number; readonly positions: number | null } | null
  /** Whether blocks have projections for the picture's tokens. */
  readonly seesPicture: boolean
  /** Whether the tokens are normed before they look at the text. */
  readonly crossNorm: boolean
  readonly epsilon: number
}

/** How checkpoints are keyed: as diffusers saves them, or as the authors' and ComfyUI's files. */
export type WanLayout = 'diffusers' | 'original'

const isGiven = (json: Json, name: string): boolean => (json[name] ?? null) !== null

/** The authors' own config.json in diffusers' words. */
export function asDiffusers(json: Json): Json {
  if (json['_class_name'] !== 'WanModel') return json
  const { dim, num_heads: heads } = json
  const seesPicture = json['model_type'] === 'i2v' || json['model_type'] === 'flf2v'
  return {
    _class_name: 'WanTransformer3DModel',
    num_attention_heads: heads,
    attention_head_dim: Number(dim) / Number(heads),
    in_channels: json['in_dim'],
    out_channels: json['out_dim'],
    num_layers: json['num_layers'],
    ffn_dim: json['ffn_dim'],
    freq_dim: json['freq_dim'],
    text_dim: json['text_dim'],
    eps: json['eps'],
    patch_size: json['patch_size'],
    cross_attn_norm: json['cross_attn_norm'],
    // The width of CLIP ViT-H, which the authors' code has written into it.
    ...(seesPicture ? { image_dim: 1280, added_kv_proj_dim: dim } : {}),
  }
}

/** From the config.json of WanTransformer3DModel; `where` stands in front of the error that lists all faults. */
export function parseWanConfig(json: Json, where: string): WanConfig {
  const fields = new Fields(json, where)
  const [heads, headSize] = [fields.count('num_attention_heads', 40), fields.count('attention_head_dim', 128)]
  const [patchFrames = 0, patchRows = 0, patchColumns = 0, ...more] = fields.counts('patch_size', [1, 2, 2])
  fields.require(patchColumns > 0 && more.length === 0, 'patch_size must be three numbers')
  fields.choice('qk_norm', ['rms_norm_across_heads'], 'rms_norm_across_heads')
  const [width, channels] = [heads * headSize, fields.count('out_channels', 16)]
  const inChannels = isGiven(json, 'in_channels') ? fields.count('in_channels') : 16
  fields.require(inChannels >= channels, `in_channels is ${inChannels}, expected at least out_channels ${channels}`)
  fields.require(headSize % 2 === 0, `attention_head_dim is ${headSize}, expected an even number`)
  const seesPicture = isGiven(json, 'added_kv_proj_dim')
  if (seesPicture) fields.require(json['added_kv_proj_dim'] === width, `added_kv_proj_dim must be the width ${width}`)
  fields.require(
    seesPicture === isGiven(json, 'image_dim'),
    'image_dim and added_kv_proj_dim must both be given, or neither',
  )
  const vision = isGiven(json, 'image_dim')
    ? {
        width: fields.count('image_dim'),
        positions: isGiven(json, 'pos_embed_seq_len') ? fields.count('pos_embed_seq_len') : null,
      }
    : null
  const config: WanConfig = {
    ...{ inChannels, channels, heads, headSize, width, seesPicture, vision },
    patch: [patchFrames, patchRows, patchColumns],
    blocks: fields.count('num_layers', 40),
    inner: fields.count('ffn_dim', 13824),
    timeFeatures: fields.count('freq_dim', 256),
    textWidth: fields.count('text_dim', 4096),
    crossNorm: fields.flag('cross_attn_norm', true),
    epsilon: fields.number('eps', 1e-6),
  }
  fields.require(config.timeFeatures % 2 === 0, `freq_dim is ${config.timeFeatures}, expected an even number`)
  fields.done()
  return config
}

/** Where each layout shows the sizes. */
const SIGNS = {
  original: {
    block: (i: number) => `blocks.${i}.self_attn.q.weight`,
    out: 'head.head.weight',
    inner: 'blocks.0.ffn.0.weight',
    time: 'time_embedding.0.weight',
    text: 'text_embedding.0.weight',
    vision: 'img_emb.proj.1.weight',
    visionPlaces: 'img_emb.emb_pos',
    crossNorm: 'blocks.0.norm3.weight',
  },
  diffusers: {
    block: (i: number) => `blocks.${i}.attn1.to_q.weight`,
    out: 'proj_out.weight',
    inner: 'blocks.0.ffn.net.0.proj.weight',
    time: 'condition_embedder.time_embedder.linear_1.weight',
    text: 'condition_embedder.text_embedder.linear_1.weight',
    vision: 'condition_embedder.image_embedder.ff.net.0.proj.weight',
    visionPlaces: 'condition_embedder.image_embedder.pos_embed',
    crossNorm: 'blocks.0.norm2.weight',
  },
}

/** A key of each layout that no other family has. */
export const WAN_SIGNS = ['time_projection.1.weight', 'condition_embedder.time_proj.weight']

/** Head size of all published WAN models; it leaves no trace in the weights. */
const PUBLISHED_HEAD = 128

/** From the shapes of a file without configuration (prefix already taken off), or null when they are no WAN model's. */
export function inferWanConfig(tensors: Weights['tensors'], layout: WanLayout): WanConfig | null {
  const signs = SIGNS[layout]
  const [width = 0, inChannels = 0, ...sides] = tensors.get('patch_embedding.weight')?.shape ?? []
  const [frames = 0, rows = 0, columns = 0] = sides
  const blocks = countBlocks(tensors, signs.block)
  const channels = extentOf(tensors, signs.out, 0) / (frames * rows * columns)
  if (blocks === 0 || sides.length !== 3 || width % PUBLISHED_HEAD !== 0 || !Number.isInteger(channels)) return null
  const visionWidth = extentOf(tensors, signs.vision, 1)
  return {
    ...{ inChannels, channels, width, blocks },
    patch: [frames, rows, columns],
    headSize: PUBLISHED_HEAD,
    heads: width / PUBLISHED_HEAD,
    inner: extentOf(tensors, signs.inner, 0),
    timeFeatures: extentOf(tensors, signs.time, 1),
    textWidth: extentOf(tensors, signs.text, 1),
    vision:
      visionWidth > 0 ? { width: visionWidth, positions: extentOf(tensors, signs.visionPlaces, 1) || null } : null,
    seesPicture: visionWidth > 0,
    crossNorm: tensors.has(signs.crossNorm),
    epsilon: 1e-6,
  }
}
