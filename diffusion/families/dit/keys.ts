/** Every weight of a DiT transformer by its name in diffusers, and where the authors' files keep it. */
import { Shapes } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { Place } from '../family.ts'
import { MLP_RATIO } from '../shared/patched-config.ts'
import type { DitConfig, DitLayout } from './config.ts'

/** Shapes by name. */
export function ditShapes(c: DitConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.set('pos_embed.proj.weight', [c.width, c.channels, c.patch, c.patch])
  shapes.set('pos_embed.proj.bias', [c.width])
  for (let i = 0; i < c.blocks; i++) {
    const block = `transformer_blocks.${i}`
    shapes.embedMlp(`${block}.norm1.emb.timestep_embedder`, c.width, TIME_CHANNELS)
    shapes.set(`${block}.norm1.emb.class_embedder.embedding_table.weight`, [c.classes + 1, c.width])
    shapes.linear(`${block}.norm1.linear`, 6 * c.width, c.width)
    for (const name of ['to_q', 'to_k', 'to_v']) {
      if (c.attentionBias) shapes.linear(`${block}.attn1.${name}`, c.width, c.width)
      else shapes.set(`${block}.attn1.${name}.weight`, [c.width, c.width])
    }
    shapes.linear(`${block}.attn1.to_out.0`, c.width, c.width)
    shapes.linear(`${block}.ff.net.0.proj`, MLP_RATIO * c.width, c.width)
    shapes.linear(`${block}.ff.net.2`, c.width, MLP_RATIO * c.width)
  }
  shapes.linear('proj_out_1', 2 * c.width, c.width)
  shapes.linear('proj_out_2', c.patch ** 2 * c.outChannels, c.width)
  return shapes.all
}

/** Module name -> module of the authors' files and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

const OUTER: Renaming = {
  'pos_embed.proj': ['x_embedder.proj'],
  proj_out_1: ['final_layer.adaLN_modulation.1'],
  proj_out_2: ['final_layer.linear'],
}

/** What diffusers keeps in every block although all share it. */
const SHARED: Renaming = {
  'norm1.emb.timestep_embedder.linear_1': ['t_embedder.mlp.0'],
  'norm1.emb.timestep_embedder.linear_2': ['t_embedder.mlp.2'],
  'norm1.emb.class_embedder.embedding_table': ['y_embedder.embedding_table'],
}

const BLOCK: Renaming = {
  'norm1.linear': ['adaLN_modulation.1'],
  'attn1.to_q': ['attn.qkv', 0],
  'attn1.to_k': ['attn.qkv', 1],
  'attn1.to_v': ['attn.qkv', 2],
  'attn1.to_out.0': ['attn.proj'],
  'ff.net.0.proj': ['mlp.fc1'],
  'ff.net.2': ['mlp.fc2'],
}

/** Where a layout keeps a weight. */
export function ditPlace(layout: DitLayout, name: string, { width }: DitConfig): Place {
  if (layout === 'diffusers') return { key: name, row: 0 }
  const dot = name.lastIndexOf('.')
  const [module, leaf] = [name.slice(0, dot), name.slice(dot + 1)]
  const inBlock = /^transformer_(blocks\.\d+)\.(.+)$/.exec(module)
  const shared = inBlock && SHARED[inBlock[2]!]
  const renamed = shared ?? (inBlock ? BLOCK[inBlock[2]!] : OUTER[module])
  if (!renamed) throw new Error(`no place in the original layout for ${name}`)
  const [to, group = 0] = renamed
  return { key: `${inBlock && !shared ? `${inBlock[1]}.` : ''}${to}.${leaf}`, row: group * width }
}
