/** Every weight of a WAN transformer by its name in diffusers, and where the authors' files keep it. */
import { Shapes, type Place } from '../shared/locate.ts'
import type { WanConfig, WanLayout } from './config.ts'

function attentionShapes(shapes: Shapes, c: WanConfig, attn: string, added: boolean): void {
  const projections = ['to_q', 'to_k', 'to_v', 'to_out.0', ...(added ? ['add_k_proj', 'add_v_proj'] : [])]
  for (const name of projections) shapes.linear(`${attn}.${name}`, c.width, c.width)
  for (const name of ['norm_q', 'norm_k', ...(added ? ['norm_added_k'] : [])])
    shapes.set(`${attn}.${name}.weight`, [c.width])
}

function normShapes(shapes: Shapes, name: string, width: number): void {
  shapes.set(`${name}.weight`, [width])
  shapes.set(`${name}.bias`, [width])
}

function visionShapes(shapes: Shapes, out: number, { width, positions }: NonNullable<WanConfig['vision']>): void {
  const name = 'condition_embedder.image_embedder'
  normShapes(shapes, `${name}.norm1`, width)
  shapes.linear(`${name}.ff.net.0.proj`, width, width)
  shapes.linear(`${name}.ff.net.2`, out, width)
  normShapes(shapes, `${name}.norm2`, out)
  if (positions !== null) shapes.set(`${name}.pos_embed`, [1, positions, width])
}

/** Shapes by name. */
export function wanShapes(c: WanConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.set('patch_embedding.weight', [c.width, c.inChannels, ...c.patch])
  shapes.set('patch_embedding.bias', [c.width])
  shapes.embedMlp('condition_embedder.time_embedder', c.width, c.timeFeatures)
  shapes.linear('condition_embedder.time_proj', 6 * c.width, c.width)
  shapes.embedMlp('condition_embedder.text_embedder', c.width, c.textWidth)
  if (c.vision) visionShapes(shapes, c.width, c.vision)
  for (let i = 0; i < c.blocks; i++) {
    const block = `blocks.${i}`
    shapes.set(`${block}.scale_shift_table`, [1, 6, c.width])
    attentionShapes(shapes, c, `${block}.attn1`, false)
    attentionShapes(shapes, c, `${block}.attn2`, c.seesPicture)
    if (c.crossNorm) normShapes(shapes, `${block}.norm2`, c.width)
    shapes.linear(`${block}.ffn.net.0.proj`, c.inner, c.width)
    shapes.linear(`${block}.ffn.net.2`, c.width, c.inner)
  }
  shapes.set('scale_shift_table', [1, 2, c.width])
  shapes.linear('proj_out', c.patch.reduce((a, b) => a * b) * c.channels, c.width)
  return shapes.all
}

/** Beginnings of names, and what stands for them in the authors' files; the longest that fits counts. */
const OUTER: Readonly<Record<string, string>> = {
  'condition_embedder.time_embedder.linear_1': 'time_embedding.0',
  'condition_embedder.time_embedder.linear_2': 'time_embedding.2',
  'condition_embedder.time_proj': 'time_projection.1',
  'condition_embedder.text_embedder.linear_1': 'text_embedding.0',
  'condition_embedder.text_embedder.linear_2': 'text_embedding.2',
  'condition_embedder.image_embedder.norm1': 'img_emb.proj.0',
  'condition_embedder.image_embedder.ff.net.0.proj': 'img_emb.proj.1',
  'condition_embedder.image_embedder.ff.net.2': 'img_emb.proj.3',
  'condition_embedder.image_embedder.norm2': 'img_emb.proj.4',
  'condition_embedder.image_embedder.pos_embed': 'img_emb.emb_pos',
  scale_shift_table: 'head.modulation',
  proj_out: 'head.head',
}

const BLOCK: Readonly<Record<string, string>> = {
  scale_shift_table: 'modulation',
  'attn1.to_q': 'self_attn.q',
  'attn1.to_k': 'self_attn.k',
  'attn1.to_v': 'self_attn.v',
  'attn1.to_out.0': 'self_attn.o',
  'attn1.norm_q': 'self_attn.norm_q',
  'attn1.norm_k': 'self_attn.norm_k',
  'attn2.to_q': 'cross_attn.q',
  'attn2.to_k': 'cross_attn.k',
  'attn2.to_v': 'cross_attn.v',
  'attn2.to_out.0': 'cross_attn.o',
  'attn2.norm_q': 'cross_attn.norm_q',
  'attn2.norm_k': 'cross_attn.norm_k',
  'attn2.add_k_proj': 'cross_attn.k_img',
  'attn2.add_v_proj': 'cross_attn.v_img',
  'attn2.norm_added_k': 'cross_attn.norm_k_img',
  norm2: 'norm3',
  'ffn.net.0.proj': 'ffn.0',
  'ffn.net.2': 'ffn.2',
}

function originalKey(name: string): string {
  const [, block, inner = name] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? []
  const renamed = block === undefined ? OUTER : BLOCK
  const module = inner.replace(/\.(weight|bias)$/, '')
  const leaf = inner.slice(module.length)
  return `${block === undefined ? '' : `blocks.${block}.`}${renamed[module] ?? module}${leaf}`
}

/** Where a layout keeps a weight. */
export const wanPlace = (layout: WanLayout, name: string): Place => ({
  key: layout === 'original' ? originalKey(name) : name,
  row: 0,
})
