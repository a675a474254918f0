/** Double-stream and single-stream blocks of image and text, as the descendants of SD3 and FLUX have them, as pieces of graph. */
import { moduleKey } from '../../caching/contract.ts'
import type { Graph, Value } from '../../onnx/graph.ts'
import { attention, flatRows, linear, plainLayerNorm, rowsAs, rowsBack, sliceColumns } from '../../onnx/ops.ts'
import { apply, at, gated, normedLayer, type NamedWeights } from './layers.ts'
import { refreshed, type Projection, type Route, type Watch } from './sites.ts'

/** Both streams between two blocks. */
export interface Stream {
  /** [B, T, width]. */
  readonly image: Value
  /** [B, L, width]. */
  readonly text: Value
}

/** What the blocks of one graph share. */
export interface JointBuilder {
  readonly g: Graph
  readonly weights: NamedWeights
  readonly heads: number
  readonly width: number
  /** Of all norms. */
  readonly epsilon: number
  /** Rotary tables [B, L + T, half a head], text first. */
  readonly cos: Value
  readonly sin: Value
  /** [L, T] as int64. */
  readonly lengths: Value
  readonly route: Route
  readonly projection: Projection
}

/** Shift, scale with 1 added, gate: [B, 1, width] each. */
export type Modulators = readonly [shift: Value, scale: Value, gate: Value]

/** How a stream of a double block is modulated, and its feed-forward. */
export interface DoubleSide {
  readonly attention: Modulators
  readonly mlp: Modulators
  readonly feedForward: (x: Value) => Value
}

/** Where a block is: its place among all of the model's, and the name of its weights. */
export interface Place {
  readonly index: number
  readonly name: string
}

/** [L, T] of a stream. */
export function lengthsOf(g: Graph, { image, text }: Stream): Value {
  const length = (value: Value): Value => g.op('Shape', [value], { start: 1, end: 2 })
  return g.op('Concat', [length(text), length(image)], { axis: 0 })
}

/** Shift, scale and gate as layers give them, with 1 added to the scale. */
export const modulators = (g: Graph, [shift, scale, gate]: readonly Value[]): Modulators => [
  shift!,
  g.op('Add', [scale!, g.constant([1])]),
  gate!,
]

/** Six values as layers give them: those before the attention and those before the feed-forward. */
export const twoOf = (g: Graph, m: readonly Value[]): readonly [Modulators, Modulators] => [
  modulators(g, m.slice(0, 3)),
  modulators(g, m.slice(3)),
]

/** Queries, keys and values of some tokens, queries and keys normed by head where the model has such norms. */
function projected(b: JointBuilder, attn: string, names: readonly string[], norms: readonly string[], x: Value) {
  const { g, weights, heads, epsilon } = b
  return names.map((name, i) => {
    const norm = norms[i] && weights.get(`${attn}.${norms[i]}.weight`)
    const layer = `${attn}.${name}`
    return norm ? normedLayer(g, weights, layer, x, norm, heads, epsilon) : apply(g, weights, layer, x)
  })
}

/** Attention over the joined tokens [B, L + T, width], queries and keys turned by their positions. */
function turnedAttention(b: JointBuilder, [q, k, v]: readonly Value[], watch?: Watch): Value {
  const { g, heads, cos, sin } = b
  const turn = (x: Value): Value => g.op('RotaryEmbedding', [x, cos, sin], { interleaved: 1, num_heads: heads })
  const [queries, keys] = [turn(q!), turn(k!)]
  watch?.(queries, keys)
  return rowsAs(g, v!, attention(g, queries, keys, v!, { heads }))
}

/** Image and text look at each other, each by its own projections: [image, text]. */
function jointAttention(b: JointBuilder, attn: string, image: Value, text: Value, watch?: Watch): readonly Value[] {
  const { g, weights, lengths } = b
  const added = projected(b, attn, ['add_q_proj', 'add_k_proj', 'add_v_proj'], ['norm_added_q', 'norm_added_k'], text)
  const own = projected(b, attn, ['to_q', 'to_k', 'to_v'], ['norm_q', 'norm_k'], image)
  const joined = added.map((value, i) => g.op('Concat', [value, own[i]!], { axis: 1 }))
  const attended = turnedAttention(b, joined, watch)
  const [forText, forImage] = g.ops('Split', [attended, lengths], { axis: 1 }, 2) as [Value, Value]
  return [apply(g, weights, `${attn}.to_out.0`, forImage), apply(g, weights, `${attn}.to_add_out`, forText)]
}

const normedBy = ({ g, width, epsilon }: JointBuilder, x: Value, [shift, scale]: Modulators): Value =>
  rowsAs(g, x, g.op('Add', [g.op('Mul', [plainLayerNorm(g, x, width, epsilon), scale]), shift]))

/** The attention's weights are those of `name`.attn. */
export function doubleBlock(
  b: JointBuilder,
  { index, name }: Place,
  x: Stream,
  image: DoubleSide,
  text: DoubleSide,
): Stream {
  const { g, width, route } = b
  const [imageSeen, textSeen] = route({
    key: moduleKey('attn', index),
    joined: false,
    run: (watch) => {
      const normed = [normedBy(b, x.image, image.attention), normedBy(b, x.text, text.attention)] as const
      return jointAttention(b, `${name}.attn`, ...normed, watch)
    },
  }) as [Value, Value]
  const attended = {
    image: gated(g, x.image, image.attention[2], imageSeen),
    text: gated(g, x.text, text.attention[2], textSeen),
  }
  const fed = (side: DoubleSide, value: Value): Value => side.feedForward(normedBy(b, value, side.mlp))
  const [imageChange, textChange] = route({
    key: moduleKey('mlp', index),
    joined: false,
    run: () => [fed(image, attended.image), fed(text, attended.text)],
    refresh: ([output, other], tokens) => [
      refreshed(g, width, output!, attended.image, tokens, (rows) => fed(image, rows)),
      other!,
    ],
  }) as [Value, Value]
  return {
    image: gated(g, attended.image, image.mlp[2], imageChange),
    text: gated(g, attended.text, text.mlp[2], textChange),
  }
}

/** A single block on joined tokens [B, L + T, width]: attention and feed-forward see the same and are added under one gate. */
export function singleBlock(
  b: JointBuilder,
  { index, name }: Place,
  x: Value,
  by: Modulators,
  activate: (x: Value) => Value,
): Value {
  const { g, weights, width, route, projection } = b
  const gate = by[2]
  const normed = (): Value => g.once(`normed ${name}`, () => normedBy(b, x, by))
  const seen = (watch?: Watch): Value =>
    turnedAttention(b, projected(b, `${name}.attn`, ['to_q', 'to_k', 'to_v'], ['norm_q', 'norm_k'], normed()), watch)
  const activated = (value: Value, rank: 2 | 3): Value => activate(apply(g, weights, `${name}.proj_mlp`, value, rank))
  if (projection === 'together') {
    const both = g.op('Concat', [seen(), activated(normed(), 3)], { axis: 2 })
    return gated(g, x, gate, apply(g, weights, `${name}.proj_out`, both))
  }
  const [out, bias] = [at(weights, `${name}.proj_out.weight`), weights.get(`${name}.proj_out.bias`) ?? null]
  const project = (value: Value): Value => {
    const weight = sliceColumns(g, out, width, out.shape[1] ?? 0)
    const made = linear(g, activated(flatRows(g, value, width), 2), { weight, bias }, 2)
    return rowsBack(g, made, value, [width])
  }
  const [attended] = route({
    key: moduleKey('attn', index),
    joined: true,
    run: (watch) => [linear(g, seen(watch), { weight: sliceColumns(g, out, 0, width), bias: null }, 3)],
  }) as [Value]
  const [change] = route({
    key: moduleKey('mlp', index),
    joined: true,
    run: () => [project(normed())],
    refresh: ([output], tokens) => [refreshed(g, width, output!, x, tokens, (rows) => project(normedBy(b, rows, by)))],
  }) as [Value]
  return gated(g, x, gate, g.op('Add', [attended, change]))
}

/** Runs `work` on the joined tokens, text first, and takes them apart again. */
export function joined({ g, lengths }: JointBuilder, { image, text }: Stream, work: (x: Value) => Value): Stream {
  const out = work(g.op('Concat', [text, image], { axis: 1 }))
  const [textOut, imageOut] = g.ops('Split', [out, lengths], { axis: 1 }, 2) as [Value, Value]
  return { image: imageOut, text: textOut }
}
