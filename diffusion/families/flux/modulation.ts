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
  const ones = new Array<number>(count).fill(1)
  // Few are cut out first: a split would copy those of all other blocks too.
  if (2 * count < all)
    return split(g, g.op('Slice', [mods, g.ints([from]), g.ints([from + count]), g.ints([1])]), ones, 1)
  const [before, after] = [from, all - from - count].map((size) => (size > 0 ? [size] : []))
  const pieces = split(g, mods, [...before!, ...ones, ...after!], 1)
  return pieces.slice(before!.length, before!.length + count)
}

/** The same at these places. */
export function modsAt(g: Graph, config: FluxConfig, places: readonly number[]): readonly Value[] {
  const mods = g.input('mods', ['B', modulationCount(config), config.width])
  const ones = new Array<number>(places.length).fill(1)
  return split(g, g.op('Gather', [mods, g.ints(places)], { axis: 1 }), ones, 1)
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
  return g.op('Add', [vectors, g.constant(onesOf({ count, scales }), [1, count, 1])])
}

/** What is added to the vectors of a layer. */
const onesOf = ({ count, scales }: Pick<Modulation, 'count' | 'scales'>): number[] =>
  Array.from({ length: count }, (_, i) => (scales.includes(i) ? 1 : 0))

/**
 * The vectors of all layers, [B, all, width], as one product: weights are put together and ones added to the biases when the graph is
 * loaded, where it took several passes over the vectors of all levels at every run.
 */
function allVectors(g: Graph, { config, weights }: FluxParts, layers: readonly Modulation[], active: Value): Value {
  const held = (kind: string): Value[] => layers.map(({ name }) => g.weight(at({ config, weights }, `${name}.${kind}`)))
  const [all, { width }] = [modulationCount(config), config]
  const biases = g.op('Reshape', [g.op('Concat', held('bias'), { axis: 0 }), g.ints([all, width])])
  const ones = g.constant(layers.flatMap(onesOf), [all, 1])
  const bias = g.op('Reshape', [g.op('Add', [biases, ones]), g.ints([-1])])
  const product = g.op('Gemm', [active, g.op('Concat', held('weight'), { axis: 0 }), bias], { transB: 1 })
  return g.op('Reshape', [product, g.ints([-1, all, width])])
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
  const all = allVectors(g, parts, [...blocks, ...HEAD], active)
  g.output('mods', all, ['B', modulationCount(config), config.width])
  return g.build()
}
