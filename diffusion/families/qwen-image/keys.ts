/** Every weight of a Qwen-Image transformer by one name, and where it is kept: all published files use the same keys. */
import { Shapes, type Place } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { MLP_RATIO, type QwenConfig } from './config.ts'

const LAYERS = ['to_q', 'to_k', 'to_v', 'to_out.0', 'add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out']

/** Shapes by name. Names are the files', but for `norm_out`, whose halves have names of their own. */
export function qwenShapes(c: QwenConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  const packed = c.channels * c.patch ** 2
  shapes.linear('img_in', c.width, packed)
  shapes.set('txt_norm.weight', [c.textWidth])
  shapes.linear('txt_in', c.width, c.textWidth)
  shapes.embedMlp('time_text_embed.timestep_embedder', c.width, TIME_CHANNELS)
  for (let i = 0; i < c.blocks; i++) {
    const block = `transformer_blocks.${i}`
    for (const name of LAYERS) shapes.linear(`${block}.attn.${name}`, c.width, c.width)
    for (const name of ['norm_q', 'norm_k', 'norm_added_q', 'norm_added_k'])
      shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
    for (const side of ['img', 'txt']) {
      shapes.linear(`${block}.${side}_mod.1`, 6 * c.width, c.width)
      shapes.linear(`${block}.${side}_mlp.net.0.proj`, MLP_RATIO * c.width, c.width)
      shapes.linear(`${block}.${side}_mlp.net.2`, c.width, MLP_RATIO * c.width)
    }
  }
  for (const half of ['scale', 'shift']) shapes.linear(`norm_out.${half}`, c.width, c.width)
  shapes.linear('proj_out', packed, c.width)
  return shapes.all
}

/** Where a file keeps a weight. */
export function qwenPlace(name: string, { width }: QwenConfig): Place {
  const half = /^norm_out\.(scale|shift)\.(.+)$/.exec(name)
  return half ? { key: `norm_out.linear.${half[2]}`, row: half[1] === 'scale' ? 0 : width } : { key: name, row: 0 }
}
