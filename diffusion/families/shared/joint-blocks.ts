/** Double-stream and single-stream blocks of image and text, as the descendants of SD3 and FLUX have them, as pieces of graph. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { attention } from '../../onnx/ops.ts'
import { apply, gated, modulated, normedHeads, type NamedWeights } from './layers.ts'

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
}

/** Shift, scale, gate: [B, 1, width] each. */
export type Modulators = readonly [shift: Value, scale: Value, gate: Value]

/** How a stream of a double block is modulated, and its feed-forward. */
export interface DoubleSide {
  readonly attention: Modulators
  readonly mlp: Modulators
  readonly feedForward: (x: Value) => Value
}

/** [L, T] of a stream. */
export function lengthsOf(g: Graph, { image, text }: Stream): Value {
  const length = (value: Value): Value => g.op('Shape', [value], { start: 1, end: 2 })
  return g.op('Concat', [length(text), length(image)], { axis: 0 })
}

/** Six values as those before the attention and those before the feed-forward. */
export const twoOf = (m: readonly Value[]): readonly [Modulators, Modulators] => [
  [m[0]!, m[1]!, m[2]!],
  [m[3]!, m[4]!, m[5]!],
]

/** Queries, keys and values of some tokens, queries and keys normed by head where the model has such norms. */
function projected(b: JointBuilder, attn: string, names: readonly string[], norms: readonly string[], x: Value) {
  const { g, weights, heads, epsilon } = b
  return names.map((name, i) => {
    const value = apply(g, weights, `${attn}.${name}`, x)
    const norm = norms[i] && weights.get(`${attn}.${norms[i]}.weight`)
    return norm ? normedHeads(g, value, norm, heads, epsilon) : value
  })
}

/** Attention over the joined tokens [B, L + T, width], queries and keys turned by their positions. */
export function turnedAttention({ g, heads, cos, sin }: JointBuilder, [q, k, v]: readonly Value[]): Value {
  const turn = (x: Value): Value => g.op('RotaryEmbedding', [x, cos, sin], { interleaved: 1, num_heads: heads })
  return attention(g, turn(q!), turn(k!), v!, { heads })
}

/** Image and text look at each other, each by its own projections: [image, text]. */
function jointAttention(b: JointBuilder, attn: string, image: Value, text: Value): readonly [Value, Value] {
  const { g, weights, lengths } = b
  const added = projected(b, attn, ['add_q_proj', 'add_k_proj', 'add_v_proj'], ['norm_added_q', 'norm_added_k'], text)
  const own = projected(b, attn, ['to_q', 'to_k', 'to_v'], ['norm_q', 'norm_k'], image)
  const joined = added.map((value, i) => g.op('Concat', [value, own[i]!], { axis: 1 }))
  const attended = turnedAttention(b, joined)
  const [forText, forImage] = g.ops('Split', [attended, lengths], { axis: 1 }, 2) as [Value, Value]
  return [apply(g, weights, `${attn}.to_out.0`, forImage), apply(g, weights, `${attn}.to_add_out`, forText)]
}

const normedBy = ({ g, width, epsilon }: JointBuilder, x: Value, [shift, scale]: Modulators): Value =>
  modulated(g, x, width, { shift, scale }, epsilon)

/** `attn` names the weights of the attention. */
export function doubleBlock(b: JointBuilder, attn: string, x: Stream, image: DoubleSide, text: DoubleSide): Stream {
  const normed = { image: normedBy(b, x.image, image.attention), text: normedBy(b, x.text, text.attention) }
  const [imageSeen, textSeen] = jointAttention(b, attn, normed.image, normed.text)
  const after = (before: Value, side: DoubleSide, seen: Value): Value => {
    const attended = gated(b.g, before, side.attention[2], seen)
    return gated(b.g, attended, side.mlp[2], side.feedForward(normedBy(b, attended, side.mlp)))
  }
  return { image: after(x.image, image, imageSeen), text: after(x.text, text, textSeen) }
}

/** A single block on joined tokens [B, L + T, width]: attention and feed-forward see the same and leave through one projection. */
export function singleBlock(
  b: JointBuilder,
  block: string,
  x: Value,
  modulators: Modulators,
  activate: (x: Value) => Value,
): Value {
  const { g, weights } = b
  const normed = normedBy(b, x, modulators)
  const attended = turnedAttention(
    b,
    projected(b, `${block}.attn`, ['to_q', 'to_k', 'to_v'], ['norm_q', 'norm_k'], normed),
  )
  const active = activate(apply(g, weights, `${block}.proj_mlp`, normed))
  const out = apply(g, weights, `${block}.proj_out`, g.op('Concat', [attended, active], { axis: 2 }))
  return gated(g, x, modulators[2], out)
}

/** Runs `work` on the joined tokens, text first, and takes them apart again. */
export function joined({ g, lengths }: JointBuilder, { image, text }: Stream, work: (x: Value) => Value): Stream {
  const out = work(g.op('Concat', [text, image], { axis: 1 }))
  const [textOut, imageOut] = g.ops('Split', [out, lengths], { axis: 1 }, 2) as [Value, Value]
  return { image: imageOut, text: textOut }
}
