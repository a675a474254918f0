/** Every weight of a HunyuanVideo transformer by one name, and where the published layouts keep it. */
import { Shapes, type Place } from '../shared/locate.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { REFINER_RATIO, type HunyuanConfig, type HunyuanLayout } from './config.ts'

/** The two linear layers of an MLP `name`. */
function mlpShapes(shapes: Shapes, name: string, inner: number, width: number): void {
  shapes.linear(`${name}.net.0.proj`, inner, width)
  shapes.linear(`${name}.net.2`, width, inner)
}

function normShapes(shapes: Shapes, name: string, width: number): void {
  for (const leaf of ['weight', 'bias']) shapes.set(`${name}.${leaf}`, [width])
}

function refinerShapes(shapes: Shapes, c: HunyuanConfig): void {
  shapes.linear('context_embedder.proj_in', c.width, c.textWidth)
  shapes.embedMlp('context_embedder.time_text_embed.timestep_embedder', c.width, TIME_CHANNELS)
  shapes.embedMlp('context_embedder.time_text_embed.text_embedder', c.width, c.textWidth)
  for (let i = 0; i < c.refinerBlocks; i++) {
    const block = `context_embedder.token_refiner.refiner_blocks.${i}`
    for (const norm of ['norm1', 'norm2']) normShapes(shapes, `${block}.${norm}`, c.width)
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0']) shapes.linear(`${block}.attn.${name}`, c.width, c.width)
    mlpShapes(shapes, `${block}.ff`, REFINER_RATIO * c.width, c.width)
    shapes.linear(`${block}.norm_out.linear`, 2 * c.width, c.width)
  }
}

function doubleShapes(shapes: Shapes, c: HunyuanConfig, block: string): void {
  for (const norm of ['norm1', 'norm1_context']) shapes.linear(`${block}.${norm}.linear`, 6 * c.width, c.width)
  const layers = ['to_q', 'to_k', 'to_v', 'to_out.0', 'add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out']
  for (const name of layers) shapes.linear(`${block}.attn.${name}`, c.width, c.width)
  for (const name of ['norm_q', 'norm_k', 'norm_added_q', 'norm_added_k'])
    shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
  for (const ff of ['ff', 'ff_context']) mlpShapes(shapes, `${block}.${ff}`, c.inner, c.width)
}

function singleShapes(shapes: Shapes, c: HunyuanConfig, block: string): void {
  shapes.linear(`${block}.norm.linear`, 3 * c.width, c.width)
  for (const name of ['to_q', 'to_k', 'to_v']) shapes.linear(`${block}.attn.${name}`, c.width, c.width)
  for (const name of ['norm_q', 'norm_k']) shapes.set(`${block}.attn.${name}.weight`, [c.headSize])
  shapes.linear(`${block}.proj_mlp`, c.inner, c.width)
  shapes.linear(`${block}.proj_out`, c.width, c.width + c.inner)
}

/** Shapes by name. Names are diffusers', but for `norm_out`, whose halves the layouts order differently. */
export function hunyuanShapes(c: HunyuanConfig): ReadonlyMap<string, readonly number[]> {
  const shapes = new Shapes()
  shapes.set('x_embedder.proj.weight', [c.width, c.channels, ...c.patch])
  shapes.set('x_embedder.proj.bias', [c.width])
  refinerShapes(shapes, c)
  shapes.embedMlp('time_text_embed.timestep_embedder', c.width, TIME_CHANNELS)
  shapes.embedMlp('time_text_embed.text_embedder', c.width, c.pooledWidth)
  if (c.guidance) shapes.embedMlp('time_text_embed.guidance_embedder', c.width, TIME_CHANNELS)
  for (let i = 0; i < c.doubleBlocks; i++) doubleShapes(shapes, c, `transformer_blocks.${i}`)
  for (let i = 0; i < c.singleBlocks; i++) singleShapes(shapes, c, `single_transformer_blocks.${i}`)
  for (const half of ['scale', 'shift']) shapes.linear(`norm_out.${half}`, c.width, c.width)
  shapes.linear('proj_out', c.patch[0] * c.patch[1] * c.patch[2] * c.outChannels, c.width)
  return shapes.all
}

/** Module name -> module of Tencent's file, and the width-sized group of rows at which it starts there. */
type Renaming = Readonly<Record<string, readonly [module: string, group?: number]>>

const OUTER: Renaming = {
  'x_embedder.proj': ['img_in.proj'],
  'context_embedder.proj_in': ['txt_in.input_embedder'],
  'context_embedder.time_text_embed.timestep_embedder.linear_1': ['txt_in.t_embedder.mlp.0'],
  'context_embedder.time_text_embed.timestep_embedder.linear_2': ['txt_in.t_embedder.mlp.2'],
  'context_embedder.time_text_embed.text_embedder.linear_1': ['txt_in.c_embedder.linear_1'],
  'context_embedder.time_text_embed.text_embedder.linear_2': ['txt_in.c_embedder.linear_2'],
  'time_text_embed.timestep_embedder.linear_1': ['time_in.mlp.0'],
  'time_text_embed.timestep_embedder.linear_2': ['time_in.mlp.2'],
  'time_text_embed.text_embedder.linear_1': ['vector_in.in_layer'],
  'time_text_embed.text_embedder.linear_2': ['vector_in.out_layer'],
  'time_text_embed.guidance_embedder.linear_1': ['guidance_in.mlp.0'],
  'time_text_embed.guidance_embedder.linear_2': ['guidance_in.mlp.2'],
  'norm_out.shift': ['final_layer.adaLN_modulation.1', 0],
  'norm_out.scale': ['final_layer.adaLN_modulation.1', 1],
  proj_out: ['final_layer.linear'],
}

const REFINER: Renaming = {
  norm1: ['norm1'],
  norm2: ['norm2'],
  'attn.to_q': ['self_attn_qkv', 0],
  'attn.to_k': ['self_attn_qkv', 1],
  'attn.to_v': ['self_attn_qkv', 2],
  'attn.to_out.0': ['self_attn_proj'],
  'ff.net.0.proj': ['mlp.fc1'],
  'ff.net.2': ['mlp.fc2'],
  'norm_out.linear': ['adaLN_modulation.1'],
}

const DOUBLE: Renaming = {
  'norm1.linear': ['img_mod.linear'],
  'norm1_context.linear': ['txt_mod.linear'],
  'attn.to_q': ['img_attn_qkv', 0],
  'attn.to_k': ['img_attn_qkv', 1],
  'attn.to_v': ['img_attn_qkv', 2],
  'attn.add_q_proj': ['txt_attn_qkv', 0],
  'attn.add_k_proj': ['txt_attn_qkv', 1],
  'attn.add_v_proj': ['txt_attn_qkv', 2],
  'attn.norm_q': ['img_attn_q_norm'],
  'attn.norm_k': ['img_attn_k_norm'],
  'attn.norm_added_q': ['txt_attn_q_norm'],
  'attn.norm_added_k': ['txt_attn_k_norm'],
  'attn.to_out.0': ['img_attn_proj'],
  'attn.to_add_out': ['txt_attn_proj'],
  'ff.net.0.proj': ['img_mlp.fc1'],
  'ff.net.2': ['img_mlp.fc2'],
  'ff_context.net.0.proj': ['txt_mlp.fc1'],
  'ff_context.net.2': ['txt_mlp.fc2'],
}

const SINGLE: Renaming = {
  'norm.linear': ['modulation.linear'],
  'attn.to_q': ['linear1', 0],
  'attn.to_k': ['linear1', 1],
  'attn.to_v': ['linear1', 2],
  proj_mlp: ['linear1', 3],
  proj_out: ['linear2'],
  'attn.norm_q': ['q_norm'],
  'attn.norm_k': ['k_norm'],
}

/** Blocks by the start of their names: what they are called in Tencent's file, and how their modules are. */
const BLOCKS: readonly (readonly [pattern: RegExp, prefix: string, modules: Renaming])[] = [
  [/^context_embedder\.token_refiner\.refiner_blocks\.(\d+)\./, 'txt_in.individual_token_refiner.blocks.', REFINER],
  [/^transformer_blocks\.(\d+)\./, 'double_blocks.', DOUBLE],
  [/^single_transformer_blocks\.(\d+)\./, 'single_blocks.', SINGLE],
]

function originalPlace(name: string, width: number): Place {
  const dot = name.lastIndexOf('.')
  const [module, leaf] = [name.slice(0, dot), name.slice(dot + 1)]
  for (const [pattern, prefix, modules] of BLOCKS) {
    const [start, index] = pattern.exec(module) ?? []
    const renamed = start === undefined ? undefined : modules[module.slice(start.length)]
    if (renamed) return { key: `${prefix}${index}.${renamed[0]}.${leaf}`, row: (renamed[1] ?? 0) * width }
  }
  const renamed = OUTER[module]
  if (!renamed) throw new Error(`no place in the original layout for ${name}`)
  return { key: `${renamed[0]}.${leaf}`, row: (renamed[1] ?? 0) * width }
}

/** What ComfyUI's files call the modules of Tencent's, in order. */
const COMFYUI: readonly (readonly [from: RegExp, to: string])[] = [
  [/^(txt_in\.t_embedder|time_in|guidance_in)\.mlp\.0\./, '$1.in_layer.'],
  [/^(txt_in\.t_embedder|time_in|guidance_in)\.mlp\.2\./, '$1.out_layer.'],
  [/^txt_in\.c_embedder\.linear_1\./, 'txt_in.c_embedder.in_layer.'],
  [/^txt_in\.c_embedder\.linear_2\./, 'txt_in.c_embedder.out_layer.'],
  [/(_mod|\.modulation)\.linear\./, '$1.lin.'],
  [/_attn_(qkv|proj)\./, '_attn.$1.'],
  [/mlp\.fc1\./, 'mlp.0.'],
  [/mlp\.fc2\./, 'mlp.2.'],
  [/_attn_q_norm\.weight$/, '_attn.norm.query_norm.scale'],
  [/_attn_k_norm\.weight$/, '_attn.norm.key_norm.scale'],
  [/\.q_norm\.weight$/, '.norm.query_norm.scale'],
  [/\.k_norm\.weight$/, '.norm.key_norm.scale'],
]

function comfyuiPlace(name: string, width: number): Place {
  const { key, row } = originalPlace(name, width)
  return { key: COMFYUI.reduce((renamed, [from, to]) => renamed.replace(from, to), key), row }
}

function diffusersPlace(name: string, width: number): Place {
  const half = /^norm_out\.(scale|shift)\.(.+)$/.exec(name)
  return half ? { key: `norm_out.linear.${half[2]}`, row: half[1] === 'scale' ? 0 : width } : { key: name, row: 0 }
}

const PLACE = { diffusers: diffusersPlace, original: originalPlace, comfyui: comfyuiPlace }

/** Where a layout keeps a weight. */
export const hunyuanPlace = (layout: HunyuanLayout, name: string, { width }: HunyuanConfig): Place =>
  PLACE[layout](name, width)
