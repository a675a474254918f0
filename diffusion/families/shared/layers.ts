/** Layers that the transformer families have in common, by the names of their weights, as pieces of graph. */
import type { Graph, Value } from '../../onnx/graph.ts'
import {
  conv2d,
  flatRows,
  linear,
  plainLayerNorm,
  rmsNorm,
  rowsAs,
  rowsBack,
  silu,
  split,
  type Linear,
} from '../../onnx/ops.ts'
import type { StoredTensor } from '../../onnx/weights.ts'

/** Where a family's builders find their weights: by the names that its layouts are brought to. */
export type NamedWeights = ReadonlyMap<string, StoredTensor>

/** Throws when there is no such weight: a builder asks for what the family's list of shapes does not have. */
export function at(weights: NamedWeights, name: string): StoredTensor {
  const stored = weights.get(name)
  if (!stored) throw new Error(`no weight '${name}'`)
  return stored
}

const layer = (weights: NamedWeights, name: string): Linear => ({
  weight: at(weights, `${name}.weight`),
  bias: weights.get(`${name}.bias`) ?? null,
})

/** The linear layer `name`, with its bias where it has one. */
export const apply = (g: Graph, weights: NamedWeights, name: string, x: Value, rank: 2 | 3 = 3): Value =>
  linear(g, x, layer(weights, name), rank)

/** linear_2(silu(linear_1(x))) over [B, values]. */
export const embedMlp = (g: Graph, weights: NamedWeights, name: string, x: Value): Value =>
  apply(g, weights, `${name}.linear_2`, silu(g, apply(g, weights, `${name}.linear_1`, x, 2)), 2)

export interface Modulation {
  /** [B, 1, width] or [width]. */
  readonly shift: Value
  readonly scale: Value
}

/** (1 + scale) LayerNorm(x) + shift. */
export function modulated(g: Graph, x: Value, width: number, { shift, scale }: Modulation, epsilon: number): Value {
  const normed = g.once(`normed ${x.name}`, () => plainLayerNorm(g, x, width, epsilon))
  return g.op('Add', [g.op('Mul', [normed, g.op('Add', [scale, g.constant([1])])]), shift])
}

/** [B, count * width] -> `count` values [B, 1, width]. */
export const pieces = (g: Graph, row: Value, count: number, width: number): readonly Value[] =>
  split(g, g.op('Unsqueeze', [row, g.ints([1])]), new Array<number>(count).fill(width))

/** The layer `second` of what `activate` makes of the layer `first`, row by row: in between nothing has to know which row is whose. */
export function feedForward(
  g: Graph,
  weights: NamedWeights,
  [first, second]: readonly [string, string],
  activate: (x: Value) => Value,
  x: Value,
): Value {
  const rows = flatRows(g, x, at(weights, `${first}.weight`).shape[1] ?? 0)
  const made = apply(g, weights, second, activate(apply(g, weights, first, rows, 2)), 2)
  return rowsBack(g, made, x, [at(weights, `${second}.weight`).shape[0] ?? 0])
}

/** x + gate * change. */
export const gated = (g: Graph, x: Value, gate: Value, change: Value): Value =>
  rowsAs(g, x, g.op('Add', [x, g.op('Mul', [gate, change])]))

/** Root-mean-square norm of each head of [B, T, heads, headSize], joined again: [B, T, heads * headSize]. */
function normedByHead(g: Graph, byHead: Value, weight: StoredTensor, heads: number, epsilon: number): Value {
  return g.op('Reshape', [rmsNorm(g, byHead, weight, epsilon), g.ints([0, 0, heads * (weight.shape[0] ?? 0)])])
}

/** Root-mean-square norm of each head of [B, T, heads * headSize]. */
export const normedHeads = (g: Graph, x: Value, weight: StoredTensor, heads: number, epsilon: number): Value =>
  normedByHead(g, g.op('Reshape', [x, g.ints([0, 0, heads, weight.shape[0] ?? 0])]), weight, heads, epsilon)

/** The linear layer `name` with a norm of its heads, which it gives apart already. */
export function normedLayer(
  g: Graph,
  weights: NamedWeights,
  name: string,
  x: Value,
  norm: StoredTensor,
  heads: number,
  epsilon: number,
): Value {
  const byHead = linear(g, x, layer(weights, name), 3, [heads, norm.shape[0] ?? 0])
  return normedByHead(g, byHead, norm, heads, epsilon)
}

/** latent [B, C, H, W] -> cells [B, width, h, w], one for each patch. */
export function patchCells(g: Graph, weights: NamedWeights, name: string, latent: Value, patch: number): Value {
  return conv2d(g, latent, layer(weights, name), [0, 0, 0, 0], patch)
}

/** cells [B, width, h, w] -> tokens [B, h w, width]. */
export const cellsToTokens = (g: Graph, cells: Value, width: number): Value =>
  g.op('Transpose', [g.op('Reshape', [cells, g.ints([0, width, -1])])], { perm: [0, 2, 1] })

/** tokens [B, h w, patch patch channels] and the shape [0, h, w, patch, patch, channels] -> [B, channels, h, patch, w, patch]. */
export const tokensToLatent = (g: Graph, tokens: Value, shape: Value): Value =>
  g.op('Transpose', [g.op('Reshape', [tokens, shape])], { perm: [0, 5, 1, 3, 2, 4] })
