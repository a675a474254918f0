/** Every weight of a DiT transformer by its name in diffusers. */
import { Shapes } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type DitConfig } from './config.ts'

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
