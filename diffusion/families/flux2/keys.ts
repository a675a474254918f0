/** Every weight of a FLUX.2 transformer by one name, and where the two published layouts keep it. None has a bias. */
import { Shapes, type Place } from '../shared/locate.ts'
import type { Flux2Config, Flux2Layout } from './config.ts'

const SIDES = [
  { attn: ['to_q', 'to_k', 'to_v', 'to_out.0'], norms: ['norm_q', 'norm_k'], ff: 'ff' },
  {
    attn: ['add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out'],
    norms: ['norm_added_q', 'norm_added_k'],
    ff: 'ff_context',
  },
]

/** Shapes by name. Names are diffusers', but that fused projections and the halves of `norm_out` have a name each, as in FLUX.1. */
export function flux2Shapes(c: Flux2Config): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  const layer = (name: string, out: number, wide: number): void => shapes.set(`${name}.weight`, [out, wide])
  const { width, inner } = c
  layer('x_embedder', width, c.channels)
  layer('context_embedder', width, c.textWidth)
  for (const name of ['timestep', ...(c.guidance ? ['guidance'] : [])]) {
    layer(`time_guidance_embed.${name}_embedder.linear_1`, width, c.timeChannels)
    layer(`time_guidance_embed.${name}_embedder.linear_2`, width, width)
  }
  for (const name of ['img', 'txt']) layer(`double_stream_modulation_${name}.linear`, 6 * width, width)
  layer('single_stream_modulation.linear', 3 * width, width)
  for (let i = 0; i < c.doubleBlocks; i++)
    for (const { attn, norms, ff } of SIDES) {
      const block = `transformer_blocks.${i}`
      for (const name of attn) layer(`${block}.attn.${name}`, width, width)
      for (const name of norms) shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
      layer(`${block}.${ff}.linear_in`, 2 * inner, width)
      layer(`${block}.${ff}.linear_out`, width, inner)
    }
  for (let i = 0; i < c.singleBlocks; i++) {
    const block = `single_transformer_blocks.${i}`
    for (const name of ['to_q', 'to_k', 'to_v']) layer(`${block}.attn.${name}`, width, width)
    for (const name of ['norm_q', 'norm_k']) shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
    layer(`${block}.proj_mlp`, 2 * inner, width)
    layer(`${block}.proj_out`, width, width + inner)
  }
  for (const half of ['scale', 'shift']) layer(`norm_out.${half}`, width, width)
  layer('proj_out', c.channels, width)
  return shapes.all
}

/** Module name -> module of the file, and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

interface Names {
  readonly outer: Renaming
  readonly double: Renaming
  readonly single: Renaming
  readonly blocks: readonly [double: string, single: string]
  /** The last part of the names of norms by head. */
  readonly normLeaf: 'weight' | 'scale'
}

const NAMES: Readonly<Record<Flux2Layout, Names>> = {
  diffusers: {
    outer: { 'norm_out.scale': ['norm_out.linear', 0], 'norm_out.shift': ['norm_out.linear', 1] },
    double: {},
    single: {
      'attn.to_q': ['attn.to_qkv_mlp_proj', 0],
      'attn.to_k': ['attn.to_qkv_mlp_proj', 1],
      'attn.to_v': ['attn.to_qkv_mlp_proj', 2],
      proj_mlp: ['attn.to_qkv_mlp_proj', 3],
      proj_out: ['attn.to_out'],
    },
    blocks: ['transformer_blocks', 'single_transformer_blocks'],
    normLeaf: 'weight',
  },
  original: {
    outer: {
      x_embedder: ['img_in'],
      context_embedder: ['txt_in'],
      'time_guidance_embed.timestep_embedder.linear_1': ['time_in.in_layer'],
      'time_guidance_embed.timestep_embedder.linear_2': ['time_in.out_layer'],
      'time_guidance_embed.guidance_embedder.linear_1': ['guidance_in.in_layer'],
      'time_guidance_embed.guidance_embedder.linear_2': ['guidance_in.out_layer'],
      'double_stream_modulation_img.linear': ['double_stream_modulation_img.lin'],
      'double_stream_modulation_txt.linear': ['double_stream_modulation_txt.lin'],
      'single_stream_modulation.linear': ['single_stream_modulation.lin'],
      'norm_out.shift': ['final_layer.adaLN_modulation.1', 0],
      'norm_out.scale': ['final_layer.adaLN_modulation.1', 1],
      proj_out: ['final_layer.linear'],
    },
    double: {
      'attn.to_q': ['img_attn.qkv', 0],
      'attn.to_k': ['img_attn.qkv', 1],
      'attn.to_v': ['img_attn.qkv', 2],
      'attn.add_q_proj': ['txt_attn.qkv', 0],
      'attn.add_k_proj': ['txt_attn.qkv', 1],
      'attn.add_v_proj': ['txt_attn.qkv', 2],
      'attn.norm_q': ['img_attn.norm.query_norm'],
      'attn.norm_k': ['img_attn.norm.key_norm'],
      'attn.norm_added_q': ['txt_attn.norm.query_norm'],
      'attn.norm_added_k': ['txt_attn.norm.key_norm'],
      'attn.to_out.0': ['img_attn.proj'],
      'attn.to_add_out': ['txt_attn.proj'],
      'ff.linear_in': ['img_mlp.0'],
      'ff.linear_out': ['img_mlp.2'],
      'ff_context.linear_in': ['txt_mlp.0'],
      'ff_context.linear_out': ['txt_mlp.2'],
    },
    single: {
      'attn.to_q': ['linear1', 0],
      'attn.to_k': ['linear1', 1],
      'attn.to_v': ['linear1', 2],
      proj_mlp: ['linear1', 3],
      proj_out: ['linear2'],
      'attn.norm_q': ['norm.query_norm'],
      'attn.norm_k': ['norm.key_norm'],
    },
    blocks: ['double_blocks', 'single_blocks'],
    normLeaf: 'scale',
  },
}

/** Where a layout keeps a weight. */
export function flux2Place(layout: Flux2Layout, name: string, { width }: Flux2Config): Place {
  const { outer, double, single, blocks, normLeaf } = NAMES[layout]
  const module = name.replace(/\.weight$/, '')
  const [, kind, index, inner] = /^(single_)?transformer_blocks\.(\d+)\.(.+)$/.exec(module) ?? []
  const table = index === undefined ? outer : kind ? single : double
  const own = inner ?? module
  const [to, group = 0] = table[own] ?? [own]
  const leaf = /\.norm(_added)?_[qk]$/.test(own) ? normLeaf : 'weight'
  const prefix = index === undefined ? '' : `${blocks[kind ? 1 : 0]}.${index}.`
  return { key: `${prefix}${to}.${leaf}`, row: group * width }
}
