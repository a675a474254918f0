/** Shifts, scales and gates of a FLUX transformer: where each lies among all of a model's, and the graph that makes them at once. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { linear, silu, split } from '../../onnx/ops.ts'
import { rowsOf, type StoredTensor } from '../../onnx/weights.ts'
import { TIME_CHANNELS, type FluxConfig } from './config.ts'
import { apply, at, embedMlp, type FluxParts } from './layers.ts'

/** A layer that modulates: its name, how many vectors of the width it gives, and which of them are scales. */
export interface Modulation {
  readonly name: string
  readonly count: number
  readonly scales: readonly number[]
}

/** Shift, scale, gate of the attention, then of the feed-forward. */
const double = (name: string): Modulation => ({ name, count: 6, scales: [1, 4] })

/** The modulating layers of one block. */
export function modulationsOf({ doubleBlocks }: FluxConfig, block: number): readonly Modulation[] {
  if (block >= doubleBlocks)
    return [{ name: `single_transformer_blocks.${block - doubleBlocks}.norm.linear`, count: 3, scales: [1] }]
  const name = `transformer_blocks.${block}`
  return [double(`${name}.norm1.linear`), double(`${name}.norm1_context.linear`)]
}

const depthOf = ({ doubleBlocks, singleBlocks }: FluxConfig): number => doubleBlocks + singleBlocks

const vectors = (modulations: readonly Modulation[]): number => modulations.reduce((sum, { count }) => sum + count, 0)

/** Number of vectors of the blocks before `block`; at the model's depth, where those of the head begin. */
export function modulationStart(config: FluxConfig, block: number): number {
  let start = 0
  for (let i = 0; i < block; i++) start += vectors(modulationsOf(config, i))
  return start
}

/** Number of vectors of the whole model: those of the blocks, in order, then shift and scale of the head. */
export const modulationCount = (config: FluxConfig): number => modulationStart(config, depthOf(config)) + 2

/**
 * Vectors [from, from + count) of the input 'mods' [B, all, width], each [B, 1, width]; 1 is added to scales already.
 */
export function modsInput(g: Graph, config: FluxConfig, from: number, count: number): readonly Value[] {
  const all = modulationCount(config)
  const mods = g.input('mods', ['B', all, config.width])
  const after = all - from - count
  const sizes = [...(from > 0 ? [from] : []), ...new Array<number>(count).fill(1), ...(after > 0 ? [after] : [])]
  const pieces = g.ops('Split', [mods, g.ints(sizes)], { axis: 1 }, sizes.length)
  return pieces.slice(from > 0 ? 1 : 0, (from > 0 ? 1 : 0) + count)
}

/** The vectors of one layer from the activated time embedding [B, width]: [B, count, width], 1 added to scales. */
export function modulationVectors(
  g: Graph,
  parts: FluxParts,
  { name, count, scales }: Modulation,
  active: Value,
): Value {
  const { width } = parts.config
  const vectors = g.op('Reshape', [apply(g, parts, name, active, 2), g.ints([-1, count, width])])
  const ones = Array.from({ length: count }, (_, i) => (scales.includes(i) ? 1 : 0))
  return g.op('Add', [vectors, g.constant(ones, [1, count, 1])])
}

/** The input that graphs get their modulation from: 'mods', made beforehand, or 'temb', the time embedding, by layers of their own. */
export type ModulationSource = 'mods' | 'temb'

/** Of the head, whose shift and scale come last. */
const HEAD: readonly Modulation[] = [
  { name: 'norm_out.shift', count: 1, scales: [] },
  { name: 'norm_out.scale', count: 1, scales: [0] },
]

/** Shift and scale [B, 1, width] of the head. */
export function headModulation(g: Graph, parts: FluxParts, source: ModulationSource): readonly Value[] {
  const { config } = parts
  if (source === 'mods') return modsInput(g, config, modulationStart(config, depthOf(config)), 2)
  const active = silu(g, g.input('temb', ['B', config.width]))
  return HEAD.map((one) => modulationVectors(g, parts, one, active))
}

/** Shift and scale [B, 1, width] of the first block's attention, of the image. */
export function firstModulation(g: Graph, parts: FluxParts, source: ModulationSource): readonly Value[] {
  const { width } = parts.config
  if (source === 'mods') return modsInput(g, parts.config, 0, 2)
  const active = silu(g, g.input('temb', ['B', width]))
  const [{ name }] = modulationsOf(parts.config, 0) as [Modulation]
  const rows = (kind: string): StoredTensor => rowsOf(at(parts, `${name}.${kind}`), 0, 2 * width)
  const both = linear(g, active, { weight: rows('weight'), bias: rows('bias') }, 2)
  const [shift, scale] = split(g, g.op('Unsqueeze', [both, g.ints([1])]), [width, width]) as [Value, Value]
  return [shift, g.op('Add', [scale, g.constant([1])])]
}

/** What depends on the prompt and the noise level only: time features, vector -> temb [B, width] and, for 'mods', mods [B, all, width]. */
export function levelGraph(parts: FluxParts, source: ModulationSource): Model {
  const { config } = parts
  const g = new Graph()
  const time = embedMlp(g, parts, 'time_text_embed.timestep_embedder', g.input('time', ['B', TIME_CHANNELS]))
  const temb = g.op('Add', [time, g.input('vector', ['B', config.width])])
  g.output('temb', temb, ['B', config.width])
  if (source === 'temb') return g.build()
  const active = silu(g, temb)
  const blocks = Array.from({ length: depthOf(config) }, (_, i) => modulationsOf(config, i)).flat()
  const all = [...blocks, ...HEAD].map((one) => modulationVectors(g, parts, one, active))
  g.output('mods', g.op('Concat', all, { axis: 1 }), ['B', modulationCount(config), config.width])
  return g.build()
}
