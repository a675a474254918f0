/** Every weight of a PixArt transformer by its name in diffusers, and where the authors' files keep it. */
import { Shapes } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { Place } from '../family.ts'
import { MLP_RATIO } from '../shared/patched-config.ts'
import type { PixArtConfig, PixArtLayout } from './config.ts'

/** Shapes by name. */
export function pixartShapes(c: PixArtConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.set('pos_embed.proj.weight', [c.width, c.channels, c.patch, c.patch])
  shapes.set('pos_embed.proj.bias', [c.width])
  shapes.embedMlp('adaln_single.emb.timestep_embedder', c.width, TIME_CHANNELS)
  if (c.sized)
    for (const name of ['resolution', 'aspect_ratio'])
      shapes.embedMlp(`adaln_single.emb.${name}_embedder`, c.width / 3, TIME_CHANNELS)
  shapes.linear('adaln_single.linear', 6 * c.width, c.width)
  shapes.embedMlp('caption_projection', c.width, c.textWidth)
  for (let i = 0; i < c.blocks; i++) {
    const block = `transformer_blocks.${i}`
    shapes.set(`${block}.scale_shift_table`, [6, c.width])
    for (const attn of ['attn1', 'attn2']) {
      for (const name of ['to_q', 'to_k', 'to_v']) {
        if (c.attentionBias) shapes.linear(`${block}.${attn}.${name}`, c.width, c.width)
        else shapes.set(`${block}.${attn}.${name}.weight`, [c.width, c.width])
      }
      shapes.linear(`${block}.${attn}.to_out.0`, c.width, c.width)
    }
    shapes.linear(`${block}.ff.net.0.proj`, MLP_RATIO * c.width, c.width)
    shapes.linear(`${block}.ff.net.2`, c.width, MLP_RATIO * c.width)
  }
  shapes.set('scale_shift_table', [2, c.width])
  shapes.linear('proj_out', c.patch ** 2 * c.outChannels, c.width)
  return shapes.all
}

/** Module name -> module of the authors' files and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

const OUTER: Renaming = {
  'pos_embed.proj': ['x_embedder.proj'],
  'adaln_single.emb.timestep_embedder.linear_1': ['t_embedder.mlp.0'],
  'adaln_single.emb.timestep_embedder.linear_2': ['t_embedder.mlp.2'],
  'adaln_single.emb.resolution_embedder.linear_1': ['csize_embedder.mlp.0'],
  'adaln_single.emb.resolution_embedder.linear_2': ['csize_embedder.mlp.2'],
  'adaln_single.emb.aspect_ratio_embedder.linear_1': ['ar_embedder.mlp.0'],
  'adaln_single.emb.aspect_ratio_embedder.linear_2': ['ar_embedder.mlp.2'],
  'adaln_single.linear': ['t_block.1'],
  'caption_projection.linear_1': ['y_embedder.y_proj.fc1'],
  'caption_projection.linear_2': ['y_embedder.y_proj.fc2'],
  proj_out: ['final_layer.linear'],
}

const BLOCK: Renaming = {
  'attn1.to_q': ['attn.qkv', 0],
  'attn1.to_k': ['attn.qkv', 1],
  'attn1.to_v': ['attn.qkv', 2],
  'attn1.to_out.0': ['attn.proj'],
  'attn2.to_q': ['cross_attn.q_linear'],
  'attn2.to_k': ['cross_attn.kv_linear', 0],
  'attn2.to_v': ['cross_attn.kv_linear', 1],
  'attn2.to_out.0': ['cross_attn.proj'],
  'ff.net.0.proj': ['mlp.fc1'],
  'ff.net.2': ['mlp.fc2'],
}

/** Where a layout keeps a weight. */
export function pixartPlace(layout: PixArtLayout, name: string, { width }: PixArtConfig): Place {
  if (layout === 'diffusers') return { key: name, row: 0 }
  const table = /^(?:transformer_(blocks\.\d+)\.)?scale_shift_table$/.exec(name)
  if (table) return { key: `${table[1] ?? 'final_layer'}.scale_shift_table`, row: 0 }
  const dot = name.lastIndexOf('.')
  const [module, leaf] = [name.slice(0, dot), name.slice(dot + 1)]
  const inBlock = /^transformer_(blocks\.\d+)\.(.+)$/.exec(module)
  const renamed = inBlock ? BLOCK[inBlock[2]!] : OUTER[module]
  if (!renamed) throw new Error(`no place in the original layout for ${name}`)
  const [to, group = 0] = renamed
  return { key: `${inBlock ? `${inBlock[1]}.` : ''}${to}.${leaf}`, row: group * width }
}
