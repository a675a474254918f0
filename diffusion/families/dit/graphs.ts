/** A DiT transformer as graphs: embed, any range of blocks, the time embedding, the modulated input, head (Peebles and Xie 2023, figure 3). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, embedding, geluTanh, silu } from '../../onnx/ops.ts'
import { outputPredictions } from '../shared/heads.ts'
import {
  apply,
  at,
  cellsToTokens,
  embedMlp,
  gated,
  modulated,
  patchCells,
  pieces,
  tokensToLatent,
  type NamedWeights,
} from '../shared/layers.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { DitConfig } from './config.ts'

/** Of the norms before the attention and before the head, whatever that before the MLP is. */
const EPSILON = 1e-6
/** ONNX's number for int64. */
const INT64 = 7

/** What the builders need to know of a model. */
export interface DitParts {
  readonly config: DitConfig
  /** By the names of `ditShapes`. */
  readonly weights: NamedWeights
}

/** latent [B, C, H, W], positions [T, width] -> image [B, T, width]. */
export function embedGraph({ config: c, weights }: DitParts): Model {
  const g = new Graph()
  const cells = patchCells(g, weights, 'pos_embed.proj', g.input('latent', ['B', c.channels, 'H', 'W']), c.patch)
  const image = g.op('Add', [cellsToTokens(g, cells, c.width), g.input('positions', ['T', c.width])])
  g.output('image', image, ['B', 'T', c.width])
  return g.build()
}

/** What every block makes its own modulation of: time features [B, 256] and labels [B, 1]. */
interface Told {
  readonly time: Value
  /** [B], int64. */
  readonly labels: Value
}

function told(g: Graph): Told {
  const label = g.input('label', ['B', 1])
  const labels = g.op('Cast', [g.op('Reshape', [label, g.ints([-1])])], { to: INT64 })
  return { time: g.input('time', ['B', TIME_CHANNELS]), labels }
}

/** Time and class embedded together by a block [B, width]. */
function embedded(g: Graph, { weights }: DitParts, index: number, { time, labels }: Told): Value {
  const emb = `transformer_blocks.${index}.norm1.emb`
  const classes = embedding(g, at(weights, `${emb}.class_embedder.embedding_table.weight`), labels)
  return g.op('Add', [embedMlp(g, weights, `${emb}.timestep_embedder`, time), classes])
}

function modulationOf(g: Graph, parts: DitParts, index: number, all: Told): readonly Value[] {
  const active = silu(g, embedded(g, parts, index, all))
  const row = apply(g, parts.weights, `transformer_blocks.${index}.norm1.linear`, active, 2)
  return pieces(g, row, 6, parts.config.width)
}

function ditBlock(g: Graph, parts: DitParts, index: number, all: Told, x: Value): Value {
  const { weights, config } = parts
  const block = `transformer_blocks.${index}`
  const [shift, scale, gate, mlpShift, mlpScale, mlpGate] = modulationOf(g, parts, index, all) as [
    ...[Value, Value, Value],
    ...[Value, Value, Value],
  ]
  const own = modulated(g, x, config.width, { shift, scale }, EPSILON)
  const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((name) => apply(g, weights, `${block}.attn1.${name}`, own))
  const seen = apply(g, weights, `${block}.attn1.to_out.0`, attention(g, q!, k!, v!, { heads: config.heads }))
  const image = gated(g, x, gate, seen)
  const normed = modulated(g, image, config.width, { shift: mlpShift, scale: mlpScale }, config.epsilon)
  const inner = geluTanh(g, apply(g, weights, `${block}.ff.net.0.proj`, normed))
  return gated(g, image, mlpGate, apply(g, weights, `${block}.ff.net.2`, inner))
}

/** Blocks [from, to): image, time, label -> image. */
export function blocksGraph(parts: DitParts, from: number, to: number): Model {
  const { width } = parts.config
  const g = new Graph()
  let image = g.input('image', ['B', 'T', width])
  const all = told(g)
  for (let i = from; i < to; i++) image = ditBlock(g, parts, i, all, image)
  g.output('image', image, ['B', 'T', width])
  return g.build()
}

/** time, label -> temb [B, width]: the first block's, which the head takes too. */
export function timeGraph(parts: DitParts): Model {
  const g = new Graph()
  g.output('temb', embedded(g, parts, 0, told(g)), ['B', parts.config.width])
  return g.build()
}

/** image, time, label -> modulated [B, T, width]: what the first block's attention takes. */
export function modulatedGraph(parts: DitParts): Model {
  const { width } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const [shift, scale] = modulationOf(g, parts, 0, told(g)) as [Value, Value]
  g.output('modulated', modulated(g, image, width, { shift, scale }, EPSILON), ['B', 'T', width])
  return g.build()
}

/** image, time, label and the shape [0, h, w, p, p, outChannels] -> prediction and, where it is learned, variance [B, C, h, p, w, p]. */
export function headGraph(parts: DitParts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const row = apply(g, weights, 'proj_out_1', silu(g, embedded(g, parts, 0, told(g))), 2)
  const [shift, scale] = pieces(g, row, 2, c.width) as [Value, Value]
  const normed = modulated(g, image, c.width, { shift, scale }, EPSILON)
  outputPredictions(g, tokensToLatent(g, apply(g, weights, 'proj_out_2', normed), g.input('grid', [6], 'i64')), c)
  return g.build()
}
