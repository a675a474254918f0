/** Every weight of an SD3 transformer by one name, and where the two published layouts keep it. */
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { Shapes, type Place } from '../shared/locate.ts'
import { MLP_RATIO, type Sd3Config, type Sd3Layout } from './config.ts'

function attentionShapes(
  shapes: Shapes,
  c: Sd3Config,
  attn: string,
  names: readonly string[],
  norms: readonly string[],
) {
  for (const name of names) shapes.linear(`${attn}.${name}`, c.width, c.width)
  if (c.qkNorm) for (const name of norms) shapes.set(`${attn}.${name}.weight`, [c.headSize])
}

function blockShapes(shapes: Shapes, c: Sd3Config, index: number): void {
  const block = `transformer_blocks.${index}`
  const [isLast, isDual] = [index === c.blocks - 1, c.dual.has(index)]
  const mlp = (name: string): void => {
    shapes.linear(`${block}.${name}.net.0.proj`, MLP_RATIO * c.width, c.width)
    shapes.linear(`${block}.${name}.net.2`, c.width, MLP_RATIO * c.width)
  }
  shapes.linear(`${block}.norm1.linear`, (isDual ? 9 : 6) * c.width, c.width)
  const joint = ['to_q', 'to_k', 'to_v', 'to_out.0', 'add_q_proj', 'add_k_proj', 'add_v_proj']
  const norms = ['norm_q', 'norm_k']
  attentionShapes(shapes, c, `${block}.attn`, joint, [...norms, 'norm_added_q', 'norm_added_k'])
  if (isDual) attentionShapes(shapes, c, `${block}.attn2`, ['to_q', 'to_k', 'to_v', 'to_out.0'], norms)
  mlp('ff')
  if (isLast) {
    for (const half of ['scale', 'shift']) shapes.linear(`${block}.norm1_context.${half}`, c.width, c.width)
    return
  }
  shapes.linear(`${block}.norm1_context.linear`, 6 * c.width, c.width)
  shapes.linear(`${block}.attn.to_add_out`, c.width, c.width)
  mlp('ff_context')
}

/**
 * Shapes by name. Names are diffusers', but for the modulations of which there are only a scale and a shift: `norm_out` and the last
 * block's `norm1_context`, whose halves the layouts order differently.
 */
export function sd3Shapes(c: Sd3Config): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.set('pos_embed.proj.weight', [c.width, c.channels, c.patch, c.patch])
  shapes.set('pos_embed.proj.bias', [c.width])
  shapes.set('pos_embed.pos_embed', [1, c.positions ** 2, c.width])
  shapes.linear('context_embedder', c.width, c.textWidth)
  shapes.embedMlp('time_text_embed.timestep_embedder', c.width, TIME_CHANNELS)
  shapes.embedMlp('time_text_embed.text_embedder', c.width, c.pooledWidth)
  for (let i = 0; i < c.blocks; i++) blockShapes(shapes, c, i)
  for (const half of ['scale', 'shift']) shapes.linear(`norm_out.${half}`, c.width, c.width)
  shapes.linear('proj_out', c.patch ** 2 * c.outChannels, c.width)
  return shapes.all
}

/** Module name -> module of the original file and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

const OUTER: Renaming = {
  'pos_embed.proj': ['x_embedder.proj'],
  context_embedder: ['context_embedder'],
  'time_text_embed.timestep_embedder.linear_1': ['t_embedder.mlp.0'],
  'time_text_embed.timestep_embedder.linear_2': ['t_embedder.mlp.2'],
  'time_text_embed.text_embedder.linear_1': ['y_embedder.mlp.0'],
  'time_text_embed.text_embedder.linear_2': ['y_embedder.mlp.2'],
  'norm_out.shift': ['final_layer.adaLN_modulation.1', 0],
  'norm_out.scale': ['final_layer.adaLN_modulation.1', 1],
  proj_out: ['final_layer.linear'],
}

const BLOCK: Renaming = {
  'norm1.linear': ['x_block.adaLN_modulation.1'],
  'norm1_context.linear': ['context_block.adaLN_modulation.1'],
  'norm1_context.shift': ['context_block.adaLN_modulation.1', 0],
  'norm1_context.scale': ['context_block.adaLN_modulation.1', 1],
  'attn.to_q': ['x_block.attn.qkv', 0],
  'attn.to_k': ['x_block.attn.qkv', 1],
  'attn.to_v': ['x_block.attn.qkv', 2],
  'attn.to_out.0': ['x_block.attn.proj'],
  'attn.norm_q': ['x_block.attn.ln_q'],
  'attn.norm_k': ['x_block.attn.ln_k'],
  'attn.add_q_proj': ['context_block.attn.qkv', 0],
  'attn.add_k_proj': ['context_block.attn.qkv', 1],
  'attn.add_v_proj': ['context_block.attn.qkv', 2],
  'attn.to_add_out': ['context_block.attn.proj'],
  'attn.norm_added_q': ['context_block.attn.ln_q'],
  'attn.norm_added_k': ['context_block.attn.ln_k'],
  'attn2.to_q': ['x_block.attn2.qkv', 0],
  'attn2.to_k': ['x_block.attn2.qkv', 1],
  'attn2.to_v': ['x_block.attn2.qkv', 2],
  'attn2.to_out.0': ['x_block.attn2.proj'],
  'attn2.norm_q': ['x_block.attn2.ln_q'],
  'attn2.norm_k': ['x_block.attn2.ln_k'],
  'ff.net.0.proj': ['x_block.mlp.fc1'],
  'ff.net.2': ['x_block.mlp.fc2'],
  'ff_context.net.0.proj': ['context_block.mlp.fc1'],
  'ff_context.net.2': ['context_block.mlp.fc2'],
}

function originalPlace(name: string, width: number): Place {
  if (name === 'pos_embed.pos_embed') return { key: 'pos_embed', row: 0 }
  const dot = name.lastIndexOf('.')
  const [module, leaf] = [name.slice(0, dot), name.slice(dot + 1)]
  const inBlock = /^transformer_blocks\.(\d+)\.(.+)$/.exec(module)
  const renamed = inBlock ? BLOCK[inBlock[2]!] : OUTER[module]
  if (!renamed) throw new Error(`no place in the original layout for ${name}`)
  const [to, group = 0] = renamed
  return { key: `${inBlock ? `joint_blocks.${inBlock[1]}.` : ''}${to}.${leaf}`, row: group * width }
}

function diffusersPlace(name: string, width: number): Place {
  const half = /^(.*(?:norm_out|norm1_context))\.(scale|shift)\.(.+)$/.exec(name)
  return half ? { key: `${half[1]}.linear.${half[3]}`, row: half[2] === 'scale' ? 0 : width } : { key: name, row: 0 }
}

/** Where a layout keeps a weight. */
export const sd3Place = (layout: Sd3Layout, name: string, width: number): Place =>
  (layout === 'original' ? originalPlace : diffusersPlace)(name, width)
