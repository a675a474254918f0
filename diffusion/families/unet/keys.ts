/** Every weight of a U-Net by its name in diffusers, and where the original single file (CompVis, Stability AI) keeps it. */
import { Shapes, type Place } from '../shared/locate.ts'
import type { UnetConfig } from './config.ts'
import type { Chain, Layer, Unit } from './units.ts'

/** How checkpoints are keyed: as diffusers saves them, or as the original single files and ComfyUI. */
export type UnetLayout = 'diffusers' | 'original'

/** Inner layers of the feed-forwards are this many times as wide; the first layer is twice that, for its gate. */
export const MLP_RATIO = 4

class UnetShapes extends Shapes {
  readonly #c: UnetConfig

  constructor(config: UnetConfig) {
    super()
    this.#c = config
  }

  norm(name: string, width: number): void {
    this.set(`${name}.weight`, [width])
    this.set(`${name}.bias`, [width])
  }

  conv(name: string, out: number, wide: number, kernel: number): void {
    this.set(`${name}.weight`, [out, wide, kernel, kernel])
    this.set(`${name}.bias`, [out])
  }

  layer({ resnet, wide, out, attention }: Layer): void {
    this.norm(`${resnet}.norm1`, wide)
    this.conv(`${resnet}.conv1`, out, wide, 3)
    this.linear(`${resnet}.time_emb_proj`, this.#c.timeScales ? 2 * out : out, this.#c.timeWidth)
    this.norm(`${resnet}.norm2`, out)
    this.conv(`${resnet}.conv2`, out, out, 3)
    if (wide !== out) this.conv(`${resnet}.conv_shortcut`, out, wide, 1)
    if (attention) this.#stack(attention, out)
  }

  #stack({ name, depth, crossOnly }: NonNullable<Layer['attention']>, width: number): void {
    const { linear, textWidth } = this.#c
    this.norm(`${name}.norm`, width)
    for (const side of ['proj_in', 'proj_out'])
      if (linear) this.linear(`${name}.${side}`, width, width)
      else this.conv(`${name}.${side}`, width, width, 1)
    for (let i = 0; i < depth; i++) {
      const block = `${name}.transformer_blocks.${i}`
      for (const norm of ['norm1', 'norm2', 'norm3']) this.norm(`${block}.${norm}`, width)
      for (const [attn, from] of [
        ['attn1', crossOnly ? textWidth : width],
        ['attn2', textWidth],
      ] as const) {
        this.set(`${block}.${attn}.to_q.weight`, [width, width])
        for (const side of ['to_k', 'to_v']) this.set(`${block}.${attn}.${side}.weight`, [width, from])
        this.linear(`${block}.${attn}.to_out.0`, width, width)
      }
      this.linear(`${block}.ff.net.0.proj`, 2 * MLP_RATIO * width, width)
      this.linear(`${block}.ff.net.2`, width, MLP_RATIO * width)
    }
  }

  unit(unit: Unit): void {
    if (unit.kind === 'shrink') {
      this.conv(unit.conv, unit.width, unit.width, 3)
      return
    }
    this.layer(unit.layer)
    if (unit.kind === 'middle' && unit.after) this.layer(unit.after)
    if (unit.kind === 'up' && unit.enlarge) this.conv(unit.enlarge, unit.layer.out, unit.layer.out, 3)
  }
}

/** Shapes by name. */
export function unetShapes(c: UnetConfig, { units }: Chain): ReadonlyMap<string, readonly number[]> {
  const shapes = new UnetShapes(c)
  const width = c.levels[0]?.width ?? 0
  shapes.conv('conv_in', width, c.channels, c.kernels[0])
  shapes.linear('time_embedding.linear_1', c.timeWidth, width)
  shapes.linear('time_embedding.linear_2', c.timeWidth, c.timeWidth)
  if (c.guidanceWidth) shapes.set('time_embedding.cond_proj.weight', [width, c.guidanceWidth])
  if (c.sizes) shapes.embedMlp('add_embedding', c.timeWidth, c.sizes.all)
  for (const unit of units) shapes.unit(unit)
  shapes.norm('conv_norm_out', width)
  shapes.conv('conv_out', c.outChannels, width, c.kernels[1])
  return shapes.all
}

const OUTER: Readonly<Record<string, string>> = {
  conv_in: 'input_blocks.0.0',
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'time_embedding.cond_proj': 'time_embed.cond_proj',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
}

const RESNET: Readonly<Record<string, string>> = {
  norm1: 'in_layers.0',
  conv1: 'in_layers.2',
  time_emb_proj: 'emb_layers.1',
  norm2: 'out_layers.0',
  conv2: 'out_layers.3',
  conv_shortcut: 'skip_connection',
}

/** Where each resnet, stack of attention and convolution between levels is in the original layout. */
function originalModules({ units, skipWidths }: Chain): ReadonlyMap<string, string> {
  const modules = new Map<string, string>()
  const add = (block: string, { resnet, attention }: Layer, at: number): void => {
    modules.set(resnet, `${block}.${at}`)
    if (attention) modules.set(attention.name, `${block}.${at + 1}`)
  }
  const firstUp = units.length - skipWidths.length
  units.forEach((unit, i) => {
    if (unit.kind === 'shrink') modules.set(unit.conv, `input_blocks.${i + 1}.0.op`)
    else if (unit.kind === 'down') add(`input_blocks.${i + 1}`, unit.layer, 0)
    else if (unit.kind === 'middle') {
      add('middle_block', unit.layer, 0)
      if (unit.after) add('middle_block', unit.after, 2)
    } else {
      const block = `output_blocks.${i - firstUp}`
      add(block, unit.layer, 0)
      if (unit.enlarge) modules.set(unit.enlarge, `${block}.${unit.layer.attention ? 2 : 1}.conv`)
    }
  })
  return modules
}

/** Where a layout keeps a weight. */
export function unetPlace(layout: UnetLayout, chain: Chain): (name: string) => Place {
  if (layout === 'diffusers') return (key) => ({ key, row: 0 })
  const modules = originalModules(chain)
  return (name) => {
    const dot = name.lastIndexOf('.')
    const [module, leaf] = [name.slice(0, dot), name.slice(dot)]
    const outer = OUTER[module] ?? modules.get(module)
    if (outer !== undefined) return { key: outer + leaf, row: 0 }
    const [, owner = '', part = ''] = /^(.+?\.(?:resnets|attentions)\.\d+)\.(.+)$/.exec(module) ?? []
    const at = modules.get(owner)
    if (at === undefined) throw new Error(`no place in the original layout for ${name}`)
    return { key: `${at}.${RESNET[part] ?? part}${leaf}`, row: 0 }
  }
}
