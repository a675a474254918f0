/** Every weight of an LTX-Video transformer by one name, and where the two published layouts keep it. */
import { Shapes, type Place } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type LtxConfig, type LtxLayout } from './config.ts'

function attentionShapes(shapes: Shapes, c: LtxConfig, attn: string, from: number): void {
  const layer = (name: string, wide: number, bias: boolean): void => {
    shapes.set(`${attn}.${name}.weight`, [c.width, wide])
    if (bias) shapes.set(`${attn}.${name}.bias`, [c.width])
  }
  layer('to_q', c.width, c.attentionBias)
  for (const name of ['to_k', 'to_v']) layer(name, from, c.attentionBias)
  layer('to_out.0', c.width, c.outBias)
  for (const norm of ['norm_q', 'norm_k']) shapes.set(`${attn}.${norm}.weight`, [c.width])
}

/** Shapes by name; names are diffusers'. */
export function ltxShapes(c: LtxConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.linear('proj_in', c.width, c.channels)
  shapes.embedMlp('time_embed.emb.timestep_embedder', c.width, TIME_CHANNELS)
  shapes.linear('time_embed.linear', 6 * c.width, c.width)
  shapes.embedMlp('caption_projection', c.width, c.textWidth)
  for (let i = 0; i < c.blocks; i++) {
    const block = `transformer_blocks.${i}`
    shapes.set(`${block}.scale_shift_table`, [6, c.width])
    attentionShapes(shapes, c, `${block}.attn1`, c.width)
    attentionShapes(shapes, c, `${block}.attn2`, c.contextWidth)
    if (c.normWeights) for (const norm of ['norm1', 'norm2']) shapes.set(`${block}.${norm}.weight`, [c.width])
    shapes.linear(`${block}.ff.net.0.proj`, MLP_RATIO * c.width, c.width)
    shapes.linear(`${block}.ff.net.2`, c.width, MLP_RATIO * c.width)
  }
  shapes.set('scale_shift_table', [2, c.width])
  shapes.linear('proj_out', c.channels, c.width)
  return shapes.all
}

/** What Lightricks' files call diffusers' modules, in order. */
const ORIGINAL: readonly (readonly [from: RegExp, to: string])[] = [
  [/^proj_in\./, 'patchify_proj.'],
  [/^time_embed\./, 'adaln_single.'],
  [/\.norm_q\./, '.q_norm.'],
  [/\.norm_k\./, '.k_norm.'],
]

/** Where a layout keeps a weight. */
export const ltxPlace = (layout: LtxLayout, name: string): Place => ({
  key: layout === 'diffusers' ? name : ORIGINAL.reduce((renamed, [from, to]) => renamed.replace(from, to), name),
  row: 0,
})
