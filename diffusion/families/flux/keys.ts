/** Every weight of a FLUX transformer by one name, and where the two published layouts keep it. */
import type { Weights } from '../../onnx/weights.ts'
import type { Place } from '../family.ts'
import { locate, type Located } from '../shared/locate.ts'
import { TIME_CHANNELS, type FluxConfig, type FluxLayout } from './config.ts'

/**
 * Shapes by name. Names are diffusers', but for `norm_out.linear`, whose two halves are `norm_out.scale` and `norm_out.shift`
 * (the layouts order them differently).
 */
export function fluxShapes(c: FluxConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  const linear = (name: string, out: number, wide: number): void => {
    shapes.set(`${name}.weight`, [out, wide]).set(`${name}.bias`, [out])
  }
  const norms = (block: string, names: readonly string[]): void => {
    for (const name of names) shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
  }
  const mlp = (name: string, wide: number): void => {
    linear(`${name}.linear_1`, c.width, wide)
    linear(`${name}.linear_2`, c.width, c.width)
  }
  linear('x_embedder', c.width, c.patchChannels)
  linear('context_embedder', c.width, c.textWidth)
  mlp('time_text_embed.timestep_embedder', TIME_CHANNELS)
  mlp('time_text_embed.text_embedder', c.pooledWidth)
  if (c.guidance) mlp('time_text_embed.guidance_embedder', TIME_CHANNELS)
  for (let i = 0; i < c.doubleBlocks; i++) {
    const block = `transformer_blocks.${i}`
    for (const norm of ['norm1', 'norm1_context']) linear(`${block}.${norm}.linear`, 6 * c.width, c.width)
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0', 'add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out'])
      linear(`${block}.attn.${name}`, c.width, c.width)
    norms(block, ['norm_q', 'norm_k', 'norm_added_q', 'norm_added_k'])
    for (const ff of ['ff', 'ff_context']) {
      linear(`${block}.${ff}.net.0.proj`, c.inner, c.width)
      linear(`${block}.${ff}.net.2`, c.width, c.inner)
    }
  }
  for (let i = 0; i < c.singleBlocks; i++) {
    const block = `single_transformer_blocks.${i}`
    linear(`${block}.norm.linear`, 3 * c.width, c.width)
    for (const name of ['to_q', 'to_k', 'to_v']) linear(`${block}.attn.${name}`, c.width, c.width)
    norms(block, ['norm_q', 'norm_k'])
    linear(`${block}.proj_mlp`, c.inner, c.width)
    linear(`${block}.proj_out`, c.width, c.width + c.inner)
  }
  linear('norm_out.scale', c.width, c.width)
  linear('norm_out.shift', c.width, c.width)
  linear('proj_out', c.patchChannels, c.width)
  return shapes
}

/** Module name -> module of the original file and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

const OUTER: Renaming = {
  x_embedder: ['img_in'],
  context_embedder: ['txt_in'],
  'time_text_embed.timestep_embedder.linear_1': ['time_in.in_layer'],
  'time_text_embed.timestep_embedder.linear_2': ['time_in.out_layer'],
  'time_text_embed.text_embedder.linear_1': ['vector_in.in_layer'],
  'time_text_embed.text_embedder.linear_2': ['vector_in.out_layer'],
  'time_text_embed.guidance_embedder.linear_1': ['guidance_in.in_layer'],
  'time_text_embed.guidance_embedder.linear_2': ['guidance_in.out_layer'],
  'norm_out.shift': ['final_layer.adaLN_modulation.1', 0],
  'norm_out.scale': ['final_layer.adaLN_modulation.1', 1],
  proj_out: ['final_layer.linear'],
}

const DOUBLE: Renaming = {
  'norm1.linear': ['img_mod.lin'],
  'norm1_context.linear': ['txt_mod.lin'],
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
  'ff.net.0.proj': ['img_mlp.0'],
  'ff.net.2': ['img_mlp.2'],
  'ff_context.net.0.proj': ['txt_mlp.0'],
  'ff_context.net.2': ['txt_mlp.2'],
}

const SINGLE: Renaming = {
  'norm.linear': ['modulation.lin'],
  'attn.to_q': ['linear1', 0],
  'attn.to_k': ['linear1', 1],
  'attn.to_v': ['linear1', 2],
  proj_mlp: ['linear1', 3],
  proj_out: ['linear2'],
  'attn.norm_q': ['norm.query_norm'],
  'attn.norm_k': ['norm.key_norm'],
}

function originalPlace(name: string, width: number): Place {
  const dot = name.lastIndexOf('.')
  const [module, leaf] = [name.slice(0, dot), name.slice(dot + 1)]
  const inBlock = /^(single_)?transformer_blocks\.(\d+)\.(.+)$/.exec(module)
  const table = !inBlock ? OUTER : inBlock[1] ? SINGLE : DOUBLE
  const renamed = table[inBlock?.[3] ?? module]
  if (!renamed) throw new Error(`no place in the original layout for ${name}`)
  const [to, group = 0] = renamed
  const prefix = inBlock ? `${inBlock[1] ? 'single' : 'double'}_blocks.${inBlock[2]}.` : ''
  return { key: `${prefix}${to}.${to.endsWith('_norm') ? 'scale' : leaf}`, row: group * width }
}

function diffusersPlace(name: string, width: number): Place {
  const half = /^norm_out\.(scale|shift)\.(.+)$/.exec(name)
  return half ? { key: `norm_out.linear.${half[2]}`, row: half[1] === 'scale' ? 0 : width } : { key: name, row: 0 }
}

/** Where a layout keeps a weight. */
export const fluxPlace = (layout: FluxLayout, name: string, { width }: FluxConfig): Place =>
  (layout === 'original' ? originalPlace : diffusersPlace)(name, width)

/** Looks every weight up in a file of this layout. */
export const locateFlux = (tensors: Weights['tensors'], config: FluxConfig, layout: FluxLayout): Located =>
  locate(tensors, fluxShapes(config), (name) => fluxPlace(layout, name, config))
