/** T5EncoderModel (v1.1) and UMT5EncoderModel: sizes, graph, and the buckets of relative positions. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, embedding, geluTanh, linear, rmsNorm } from '../../onnx/ops.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { WeightLookup } from '../lookup.ts'
import type { Weights } from '../../onnx/weights.ts'

export interface T5Config {
  readonly width: number
  readonly heads: number
  readonly layers: number
  readonly epsilon: number
  readonly buckets: number
  readonly maxDistance: number
  /** Whether every layer has a table of relative positions of its own (UMT5, Chung et al. 2023), or all share the first one's. */
  readonly tables: 'shared' | 'each'
}

export function parseT5Config(json: Json, where: string): T5Config {
  const fields = new Fields(json, where)
  const type = fields.choice('model_type', ['t5', 'umt5'], 't5')
  fields.choice('feed_forward_proj', ['gated-gelu'])
  const config: T5Config = {
    width: fields.count('d_model', 512),
    heads: fields.count('num_heads', 8),
    layers: fields.count('num_layers', 6),
    epsilon: fields.number('layer_norm_epsilon', 1e-6),
    buckets: fields.count('relative_attention_num_buckets', 32),
    maxDistance: fields.count('relative_attention_max_distance', 128),
    tables: type === 'umt5' ? 'each' : 'shared',
  }
  fields.require(config.buckets % 4 === 0, 'relative_attention_num_buckets must be a multiple of 4')
  fields.done()
  return config
}

const attentionOf = (block: number): string => `encoder.block.${block}.layer.0.SelfAttention`
const tableOf = (block: number): string => `${attentionOf(block)}.relative_attention_bias.weight`
/** A key that all these encoders have: [inner, width]. */
export const T5_SIGN = `${attentionOf(0)}.q.weight`
/** Whether a file has a table in every layer. */
export const hasTableInEach = (tensors: Weights['tensors']): boolean => tensors.has(tableOf(1))

/** Head size of every published T5 v1.1 and UMT5. */
const PUBLISHED_HEAD = 64

/** From the shapes of a file without configuration. Throws when they are no published encoder's. */
export function inferT5Config({ tensors, where }: Weights): T5Config {
  const extent = (key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0
  const [inner, heads] = [extent(T5_SIGN, 0), extent(tableOf(0), 1)]
  if (heads === 0 || inner % heads !== 0) throw new Error(`${where}: no '${tableOf(0)}' [buckets, heads]`)
  if (inner / heads !== PUBLISHED_HEAD)
    throw new Error(`${where}: heads of ${inner / heads} values need config.json beside it`)
  let layers = 0
  while (tensors.has(`${attentionOf(layers)}.q.weight`)) layers++
  return {
    ...{ heads, layers },
    width: extent(T5_SIGN, 1),
    epsilon: 1e-6,
    buckets: extent(tableOf(0), 0),
    maxDistance: 128,
    tables: hasTableInEach(tensors) ? 'each' : 'shared',
  }
}

/** Bucket of the distance `key - query`: near ones have their own, far ones share by logarithm, signs apart. */
function bucketOf(distance: number, { buckets, maxDistance }: T5Config): number {
  const half = buckets / 2
  const exact = half / 2
  const side = distance > 0 ? half : 0
  const size = Math.abs(distance)
  if (size < exact) return side + size
  // Rounded to float32 as the reference is: at powers of two the bucket hangs on the last bit.
  const log = Math.fround(Math.log(Math.fround(size / exact)))
  const share = Math.fround(log / Math.fround(Math.log(maxDistance / exact)))
  return side + Math.min(half - 1, exact + Math.floor(Math.fround(share * (half - exact))))
}

/** Buckets [T, T] of every query row and key column. */
export function relativeBuckets(tokens: number, config: T5Config): BigInt64Array {
  const out = new BigInt64Array(tokens * tokens)
  for (let query = 0; query < tokens; query++)
    for (let key = 0; key < tokens; key++) out[query * tokens + key] = BigInt(bucketOf(key - query, config))
  return out
}

function t5Block(g: Graph, c: T5Config, at: WeightLookup, x: Value, bias: Value): Value {
  const project = (name: string, value: Value): Value => linear(g, value, at.linear(name), 3)
  const normed = rmsNorm(g, x, at.at('layer.0.layer_norm.weight'), c.epsilon)
  const [q, k, v] = ['q', 'k', 'v'].map((name) => project(`layer.0.SelfAttention.${name}`, normed))
  const mixed = attention(g, q!, k!, v!, { heads: c.heads, scale: 1, bias })
  const attended = g.op('Add', [x, project('layer.0.SelfAttention.o', mixed)])
  const inner = rmsNorm(g, attended, at.at('layer.1.layer_norm.weight'), c.epsilon)
  const gate = geluTanh(g, project('layer.1.DenseReluDense.wi_0', inner))
  const gated = g.op('Mul', [gate, project('layer.1.DenseReluDense.wi_1', inner)])
  return g.op('Add', [attended, project('layer.1.DenseReluDense.wo', gated)])
}

/**
 * ids [B, T], buckets [T, T], mask [B, 1, 1, T] (0 to look at a token, a large negative number not to) -> last [B, T, width];
 * with taps `hidden.k` after k blocks as well.
 */
export function t5Graph(c: T5Config, weights: WeightLookup, taps = false): Model {
  const g = new Graph()
  const ids = g.input('ids', ['B', 'T'], 'i64')
  const buckets = g.input('buckets', ['T', 'T'], 'i64')
  const mask = g.input('mask', ['B', 1, 1, 'T'])
  const biasOf = (block: number): Value => {
    const byHead = g.op('Transpose', [embedding(g, weights.at(tableOf(block), 2), buckets)], { perm: [2, 0, 1] })
    return g.op('Add', [g.op('Unsqueeze', [byHead, g.ints([0])]), mask])
  }
  const shared = c.tables === 'shared' ? biasOf(0) : null
  const words = weights.has('shared.weight') ? 'shared.weight' : 'encoder.embed_tokens.weight'
  let x = embedding(g, weights.at(words, 2), ids)
  for (let i = 0; i < c.layers; i++) {
    if (taps) g.output(`hidden.${i}`, x, ['B', 'T', c.width])
    x = t5Block(g, c, weights.in(`encoder.block.${i}`), x, shared ?? biasOf(i))
  }
  g.output('last', rmsNorm(g, x, weights.at('encoder.final_layer_norm.weight'), c.epsilon), ['B', 'T', c.width])
  return g.build()
}
