/** The sizes of a Stable Diffusion U-Net, from the config.json of diffusers' UNet2DConditionModel. */
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'

/** One stack of transformer blocks after a resnet. */
export interface Attention {
  /** Transformer blocks in it. */
  readonly depth: number
  readonly heads: number
  /** Whether the first attention of each block looks at the text as well. */
  readonly crossOnly: boolean
}

/** One resolution. A layer is a resnet, with a stack of attention after it or none. */
export interface Level {
  readonly width: number
  /** On the way down. */
  readonly down: readonly (Attention | null)[]
  /** On the way up, in the order in which they run: one more than `down`. */
  readonly up: readonly (Attention | null)[]
}

export interface UnetConfig {
  /** Of what it takes: the latent's, and for inpainting models a mask and a masked latent's. */
  readonly channels: number
  readonly outChannels: number
  /** Finest first. */
  readonly levels: readonly Level[]
  /** Null where there is none; its attention too may be missing. */
  readonly middle: { readonly attention: Attention | null } | null
  readonly textWidth: number
  readonly timeWidth: number
  readonly cosinesFirst: boolean
  readonly frequencyShift: number
  /** SDXL: values of the embedding of each size, and of all of them with the pooled text. */
  readonly sizes: { readonly each: number; readonly all: number } | null
  /** Values of the guidance embedding of distilled models (LCM); null for others. */
  readonly guidanceWidth: number | null
  readonly groups: number
  readonly epsilon: number
  /** Whether stacks of attention are entered by linear layers, not 1 x 1 convolutions. */
  readonly linear: boolean
  /** Cells along each side of the first and the last convolution. */
  readonly kernels: readonly [first: number, last: number]
  /** Around a level before it is halved; 0 pads below and to the right only. */
  readonly downPadding: number
  /** Whether the time scales and shifts the second norm of a resnet; else it is added before it. */
  readonly timeScales: boolean
  /** What resnets divide their sum by. */
  readonly divisors: { readonly levels: number; readonly middle: number }
  /** Whether the latent is stretched from 0..1 to -1..1 first. */
  readonly centred: boolean
}

/** Defaults that every published model keeps, for files without a configuration. */
export const USUAL = {
  cosinesFirst: true,
  frequencyShift: 0,
  guidanceWidth: null,
  groups: 32,
  epsilon: 1e-5,
  kernels: [3, 3],
  downPadding: 1,
  timeScales: false,
  divisors: { levels: 1, middle: 1 },
  centred: false,
} as const

/** Options that no supported model has; their value must be this (or null, or absent). */
const FIXED: Readonly<Record<string, unknown>> = {
  attention_type: 'default',
  class_embed_type: null,
  class_embeddings_concat: false,
  conv_in_act: null,
  cross_attention_norm: null,
  dual_cross_attention: false,
  encoder_hid_dim: null,
  encoder_hid_dim_type: null,
  num_attention_heads: null,
  num_class_embeds: null,
  resnet_skip_time_act: false,
  time_embedding_act_fn: null,
  time_embedding_type: 'positional',
  timestep_post_act: null,
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

/** Reads options that hold one value for all levels or one for each. */
class LevelFields extends Fields {
  readonly #own: Json
  readonly #levels: number

  constructor(json: Json, where: string, levels: number) {
    super(json, where)
    this.#own = json
    this.#levels = levels
  }

  given(name: string): boolean {
    return (this.#own[name] ?? null) !== null
  }

  each<T>(name: string, fallback: T, expected: string, fits: (value: unknown) => value is T): readonly T[] {
    const value = this.#own[name] ?? fallback
    if (!Array.isArray(value) && fits(value)) return new Array<T>(this.#levels).fill(value)
    const listed = Array.isArray(value) && value.length === this.#levels && value.every(fits)
    this.require(listed, `${name} is ${JSON.stringify(value)}, expected ${expected}, or ${this.#levels} of them`)
    return listed ? value : new Array<T>(this.#levels).fill(fallback)
  }

  counts1(name: string, fallback: number): readonly number[] {
    return this.each(name, fallback, 'a whole number above 0', (v): v is number => isCount(v) && v > 0)
  }
}

type Depths = number | readonly number[]
const isDepths = (value: unknown): value is Depths =>
  isCount(value) || (Array.isArray(value) && value.length > 0 && value.every(isCount))

/** Transformer blocks after each of `layers` resnets. */
const spread = (depths: Depths, layers: number): readonly number[] =>
  typeof depths === 'number' ? new Array<number>(layers).fill(depths) : depths

const DOWN = ['DownBlock2D', 'CrossAttnDownBlock2D'] as const
const UP = ['UpBlock2D', 'CrossAttnUpBlock2D'] as const
const MIDDLE = ['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'] as const

/** Which blocks have attention, by their names; `usual` are diffusers' own defaults, of four levels. */
function crossing(fields: LevelFields, name: string, words: readonly [string, string], usual: readonly number[]) {
  if (!fields.given(name)) return fields.counts1('layers_per_block', 2).map((_, i) => usual[i] === 1)
  const isWord = (value: unknown): value is string => words.includes(value as string)
  return fields.each(name, words[1], words.join(' or '), isWord).map((word) => word === words[1])
}

interface LevelOptions {
  readonly heads: readonly number[]
  readonly crossOnly: readonly boolean[]
}

/** Every level; blocks on the way up are listed from the coarsest. */
function readLevels(fields: LevelFields, widths: readonly number[], { heads, crossOnly }: LevelOptions): Level[] {
  const last = widths.length - 1
  const layers = fields.counts1('layers_per_block', 2)
  const downCross = crossing(fields, 'down_block_types', DOWN, [1, 1, 1, 0])
  const upCross = crossing(fields, 'up_block_types', UP, [0, 1, 1, 1])
  const [one, many] = ['transformer_layers_per_block', 'reverse_transformer_layers_per_block']
  const down = fields.each<Depths>(one, 1, 'a count of transformer blocks', isDepths)
  const up = fields.given(many) ? fields.each<Depths>(many, 1, 'a count', isDepths) : down.toReversed()
  const stack = (crosses: boolean, depths: Depths, count: number, level: number): (Attention | null)[] => {
    const own = crosses ? spread(depths, count) : []
    fields.require(
      !crosses || own.length === count,
      `${one}: level ${level} has ${own.length} counts for ${count} layers`,
    )
    const attention = (depth: number): Attention => ({ depth, heads: heads[level]!, crossOnly: crossOnly[level]! })
    return Array.from({ length: count }, (_, i) => (crosses ? attention(own[i] ?? 0) : null))
  }
  return widths.map((width, i) => ({
    width,
    down: stack(downCross[i]!, down[i]!, layers[i]!, i),
    up: stack(upCross[last - i]!, up[last - i]!, layers[i]! + 1, i),
  }))
}

function readMiddle(fields: LevelFields, json: Json, heads: number): UnetConfig['middle'] {
  if (json['mid_block_type'] === null) return null
  if (fields.choice('mid_block_type', MIDDLE, MIDDLE[0]) === 'UNetMidBlock2D') return { attention: null }
  const depths = fields.each<Depths>('transformer_layers_per_block', 1, 'a count', isDepths)
  return { attention: { depth: spread(depths.at(-1)!, 1)[0]!, heads, crossOnly: false } }
}

function readSizes(fields: LevelFields): UnetConfig['sizes'] {
  if (!fields.given('addition_embed_type')) return null
  fields.choice('addition_embed_type', ['text_time'])
  return { each: fields.count('addition_time_embed_dim'), all: fields.count('projection_class_embeddings_input_dim') }
}

/** `where` stands in front of the error that lists all faults. */
export function parseUnetConfig(json: Json, where: string): UnetConfig {
  const widths = new Fields(json, where).counts('block_out_channels', [320, 640, 1280, 1280])
  const fields = new LevelFields(json, where, widths.length)
  fields.counts('block_out_channels', widths)
  for (const [name, value] of Object.entries(FIXED))
    fields.require(
      !fields.given(name) || json[name] === value,
      `${name} is ${JSON.stringify(json[name])}: only ${JSON.stringify(value)} is supported`,
    )
  fields.choice('act_fn', ['silu', 'swish'], 'silu')
  const text = fields.counts1('cross_attention_dim', 1280)
  fields.require(
    text.every((width) => width === text[0]),
    `cross_attention_dim [${text.join(', ')}] must be the same at all levels`,
  )
  // In these files it is the number of heads, whatever its name says.
  const heads = fields.counts1('attention_head_dim', 8)
  const crossOnly = fields.each('only_cross_attention', false, 'true or false', (v) => typeof v === 'boolean')
  const config: UnetConfig = {
    channels: fields.count('in_channels', 4),
    outChannels: fields.count('out_channels', 4),
    levels: readLevels(fields, widths, { heads, crossOnly }),
    middle: readMiddle(fields, json, heads.at(-1)!),
    textWidth: text[0]!,
    timeWidth: fields.given('time_embedding_dim') ? fields.count('time_embedding_dim') : 4 * widths[0]!,
    cosinesFirst: fields.flag('flip_sin_to_cos', true),
    frequencyShift: fields.number('freq_shift', 0),
    sizes: readSizes(fields),
    guidanceWidth: fields.given('time_cond_proj_dim') ? fields.count('time_cond_proj_dim') : null,
    groups: fields.count('norm_num_groups', 32),
    epsilon: fields.number('norm_eps', 1e-5),
    linear: fields.flag('use_linear_projection', false),
    kernels: [fields.count('conv_in_kernel', 3), fields.count('conv_out_kernel', 3)],
    downPadding: fields.number('downsample_padding', 1),
    timeScales: fields.choice('resnet_time_scale_shift', ['default', 'scale_shift'], 'default') === 'scale_shift',
    divisors: {
      levels: fields.number('resnet_out_scale_factor', 1),
      middle: fields.number('mid_block_scale_factor', 1),
    },
    centred: fields.flag('center_input_sample', false),
  }
  widths.forEach((width, i) => {
    fields.require(
      width % config.groups === 0,
      `block_out_channels ${width} is no multiple of norm_num_groups ${config.groups}`,
    )
    fields.require(width % heads[i]! === 0, `block_out_channels ${width} cannot be cut into ${heads[i]} heads`)
  })
  fields.done()
  return config
}
