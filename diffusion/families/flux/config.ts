/** The sizes of a FLUX transformer, from a diffusers config.json or from the shapes of an original single file. */
import { Fields } from '../json.ts'
import type { Json } from '../family.ts'
import type { StoredTensor } from '../../onnx/weights.ts'

export interface FluxConfig {
  /** Channels of a packed 2x2 patch: 4 times those of the latent. */
  readonly patchChannels: number
  readonly heads: number
  readonly headSize: number
  /** heads * headSize. */
  readonly width: number
  /** Width of the MLPs' inner layers: 4 * width. */
  readonly inner: number
  readonly doubleBlocks: number
  readonly singleBlocks: number
  /** Width of the text tokens (T5). */
  readonly textWidth: number
  /** Width of the pooled text (CLIP). */
  readonly pooledWidth: number
  /** Whether distilled guidance is an input (FLUX.1 dev). */
  readonly guidance: boolean
  /** Values of a head that turn with each axis of position (0, row, column). */
  readonly axes: readonly number[]
}

/** Channels of the sinusoidal features of the timestep, fixed in all FLUX models. */
export const TIME_CHANNELS = 256

const withWidth = (config: Omit<FluxConfig, 'width' | 'inner'>): FluxConfig => {
  const width = config.heads * config.headSize
  return { ...config, width, inner: 4 * width }
}

/** From the config.json of FluxTransformer2DModel; `where` stands in front of the error that lists all faults. */
export function parseFluxConfig(json: Json, where: string): FluxConfig {
  const fields = new Fields(json, where)
  const config = withWidth({
    patchChannels: fields.count('in_channels', 64),
    heads: fields.count('num_attention_heads', 24),
    headSize: fields.count('attention_head_dim', 128),
    doubleBlocks: fields.count('num_layers', 19),
    singleBlocks: fields.count('num_single_layers', 38),
    textWidth: fields.count('joint_attention_dim', 4096),
    pooledWidth: fields.count('pooled_projection_dim', 768),
    guidance: fields.flag('guidance_embeds', false),
    axes: fields.counts('axes_dims_rope', [16, 56, 56]),
  })
  const turned = config.axes.reduce((sum, size) => sum + size, 0)
  fields.require(config.axes.length === 3, `axes_dims_rope has ${config.axes.length} axes, expected 3`)
  fields.require(
    turned === config.headSize && config.axes.every((size) => size % 2 === 0),
    `axes_dims_rope [${config.axes.join(', ')}] must be even and sum to attention_head_dim ${config.headSize}`,
  )
  fields.require(config.patchChannels % 4 === 0, `in_channels is ${config.patchChannels}, expected a multiple of 4`)
  fields.require(
    fields.count('out_channels', config.patchChannels) === config.patchChannels,
    `out_channels differs from in_channels ${config.patchChannels}: models with extra input channels are not supported`,
  )
  fields.require(fields.count('patch_size', 1) === 1, 'patch_size must be 1')
  fields.done()
  return config
}

/** Where each layout shows the sizes: outer layers, and the parts that every block of a kind has. */
const SIGNS = {
  original: {
    image: 'img_in.weight',
    text: 'txt_in.weight',
    pooled: 'vector_in.in_layer.weight',
    guidance: 'guidance_in.in_layer.weight',
    head: 'double_blocks.0.img_attn.norm.query_norm.scale',
    double: (i: number) => `double_blocks.${i}.img_mod.lin.weight`,
    single: (i: number) => `single_blocks.${i}.modulation.lin.weight`,
  },
  diffusers: {
    image: 'x_embedder.weight',
    text: 'context_embedder.weight',
    pooled: 'time_text_embed.text_embedder.linear_1.weight',
    guidance: 'time_text_embed.guidance_embedder.linear_1.weight',
    head: 'transformer_blocks.0.attn.norm_q.weight',
    double: (i: number) => `transformer_blocks.${i}.norm1.linear.weight`,
    single: (i: number) => `single_transformer_blocks.${i}.norm.linear.weight`,
  },
}

/** Keys of which every FLUX file has one. */
export const FLUX_SIGNS = [
  SIGNS.original.single(0),
  SIGNS.diffusers.single(0),
  SIGNS.original.text,
  SIGNS.diffusers.text,
]

/** How checkpoints are keyed: as diffusers saves them, or as the original single file of Black Forest Labs. */
export type FluxLayout = keyof typeof SIGNS

/** Rotary axes of every published FLUX, by head size: they leave no trace in the weights. */
const AXES: Readonly<Record<number, readonly number[]>> = { 128: [16, 56, 56] }

/** From the shapes of a file without configuration (prefix already taken off), or null when they are not a published FLUX's. */
export function inferFluxConfig(tensors: ReadonlyMap<string, StoredTensor>, layout: FluxLayout): FluxConfig | null {
  const signs = SIGNS[layout]
  const extent = (key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0
  const count = (key: (i: number) => string): number => {
    let blocks = 0
    while (tensors.has(key(blocks))) blocks++
    return blocks
  }
  const [headSize, width] = [extent(signs.head, 0), extent(signs.image, 0)]
  const axes = AXES[headSize]
  if (!axes || width % headSize !== 0 || extent(signs.image, 1) % 4 !== 0) return null
  return withWidth({
    patchChannels: extent(signs.image, 1),
    heads: width / headSize,
    headSize,
    doubleBlocks: count(signs.double),
    singleBlocks: count(signs.single),
    textWidth: extent(signs.text, 1),
    pooledWidth: extent(signs.pooled, 1),
    guidance: tensors.has(signs.guidance),
    axes,
  })
}
