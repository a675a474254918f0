/** Every weight of a Z-Image transformer by one name, and where the two published layouts keep it. */
import { Shapes, type Place } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { TIME_INNER, type ZImageConfig, type ZImageLayout } from './config.ts'

function blockShapes(shapes: Shapes, c: ZImageConfig, block: string, isModulated: boolean): void {
  const layer = (name: string, out: number, wide: number): void => shapes.set(`${block}.${name}.weight`, [out, wide])
  for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0']) layer(`attention.${name}`, c.width, c.width)
  for (const name of ['norm_q', 'norm_k']) shapes.set(`${block}.attention.${name}.weight`, [c.headSize])
  for (const name of ['w1', 'w3']) layer(`feed_forward.${name}`, c.inner, c.width)
  layer('feed_forward.w2', c.width, c.inner)
  for (const name of ['attention_norm1', 'attention_norm2', 'ffn_norm1', 'ffn_norm2'])
    shapes.set(`${block}.${name}.weight`, [c.width])
  if (isModulated) shapes.linear(`${block}.adaLN_modulation.0`, 4 * c.width, c.timeWidth)
}

/** Shapes by name. Names are diffusers', but for the layers of the only patch size, which have ComfyUI's: x_embedder, final_layer. */
export function zImageShapes(c: ZImageConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  const values = c.channels * c.patch ** 2
  shapes.linear('x_embedder', c.width, values)
  shapes.linear('final_layer.linear', values, c.width)
  shapes.linear('final_layer.adaLN_modulation.1', c.width, c.timeWidth)
  shapes.set('cap_embedder.0.weight', [c.textWidth])
  shapes.linear('cap_embedder.1', c.width, c.textWidth)
  for (const name of ['x_pad_token', 'cap_pad_token']) shapes.set(name, [1, c.width])
  shapes.linear('t_embedder.mlp.0', TIME_INNER, TIME_CHANNELS)
  shapes.linear('t_embedder.mlp.2', c.timeWidth, TIME_INNER)
  for (let i = 0; i < c.refinerBlocks; i++) {
    blockShapes(shapes, c, `noise_refiner.${i}`, true)
    blockShapes(shapes, c, `context_refiner.${i}`, false)
  }
  for (let i = 0; i < c.blocks; i++) blockShapes(shapes, c, `layers.${i}`, true)
  return shapes.all
}

const COMFYUI: Readonly<Record<string, readonly [module: string, group: number]>> = {
  to_q: ['qkv', 0],
  to_k: ['qkv', 1],
  to_v: ['qkv', 2],
  'to_out.0': ['out', 0],
  norm_q: ['q_norm', 0],
  norm_k: ['k_norm', 0],
}

/** Where a layout keeps a weight. */
export function zImagePlace(layout: ZImageLayout, name: string, { width, patch }: ZImageConfig): Place {
  if (layout === 'diffusers') {
    const outer = /^(x_embedder|final_layer)\.(.+)$/.exec(name)
    return { key: outer ? `all_${outer[1]}.${patch}-1.${outer[2]}` : name, row: 0 }
  }
  const [, before, module, leaf] = /^(.+\.attention)\.(.+)\.(weight)$/.exec(name) ?? []
  const [to, group] = COMFYUI[module ?? ''] ?? []
  return to === undefined ? { key: name, row: 0 } : { key: `${before}.${to}.${leaf}`, row: (group ?? 0) * width }
}
