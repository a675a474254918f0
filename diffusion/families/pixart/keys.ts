/** Every weight of a PixArt transformer by its name in diffusers. */
import { Shapes } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type PixArtConfig } from './config.ts'

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
