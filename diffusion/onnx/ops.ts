/** The layers that transformers and autoencoders are made of, as small pieces of graph over PyTorch's weight layout. */
import type { Graph, Value } from './graph.ts'
import { sizeOf } from '../tensor.ts'
import type { LowRankChange, StoredTensor } from './weights.ts'

export interface Linear {
  /** [out, in]. */
  readonly weight: StoredTensor
  /** [out], or null. */
  readonly bias: StoredTensor | null
}

/** Some columns of a weight, as a value of a graph. */
export interface Columns {
  /** [out, columns]. */
  readonly value: Value
  readonly shape: readonly [number, number]
  /** Low-rank changes of these columns, which `value` does not have. */
  readonly changes: readonly Change[]
}

/** A linear layer, or a part of one. */
export interface Product {
  readonly weight: StoredTensor | Columns
  readonly bias: StoredTensor | null
}

/** A low-rank change of a weight as values of a graph: up [out, r], down [r, in]. */
interface Change {
  readonly up: Value
  readonly down: Value
  readonly factor: number
}

/** The low-rank changes of a weight, and the weight without them. Others stay with the weight. */
function lowRank(weight: StoredTensor): [rest: StoredTensor, changes: readonly LowRankChange[]] {
  const { changes, ...rest } = weight
  if (!changes?.every((change): change is LowRankChange => change.kind === 'low rank')) return [weight, []]
  return [rest, changes]
}

const matrix = (g: Graph, tensor: StoredTensor): Value => {
  const rows = tensor.shape[0] ?? 1
  return g.weight({ ...tensor, shape: [rows, sizeOf(tensor.shape) / rows] })
}

/**
 * product + factor (x down^T) up^T: what a change of low rank adds to x W^T. Cheaper than making the changed weight at every run,
 * which reads and writes as much memory as three such weights, and nothing is copied out of the LoRA's file.
 */
const withChanges = (g: Graph, x: Value, product: Value, changes: readonly Change[]): Value =>
  changes.reduce((sum, { up, down, factor }) => {
    const inner = g.op('Gemm', [x, down], { transB: 1, alpha: { float: factor } })
    return g.op('Gemm', [inner, up, sum], { transB: 1 })
  }, product)

/** Columns [from, to) of a weight [out, in]: a copy, made at load where constants are folded and at every run where not. */
export function sliceColumns(g: Graph, weight: StoredTensor, from: number, to: number): Columns {
  const cut = (value: Value): Value => g.op('Slice', [value, g.ints([from]), g.ints([to]), g.ints([1])])
  const [rest, low] = lowRank(weight)
  const changes = low.map(({ up, down, factor }) => ({ up: matrix(g, up), down: cut(matrix(g, down)), factor }))
  return { value: cut(g.weight(rest)), shape: [weight.shape[0] ?? 0, to - from], changes }
}

/** A weight without its low-rank changes, and those. */
function parts(g: Graph, weight: StoredTensor): { readonly value: Value; readonly changes: readonly Change[] } {
  const [rest, low] = lowRank(weight)
  const changes = low.map(({ up, down, factor }) => ({ up: matrix(g, up), down: matrix(g, down), factor }))
  return { value: g.weight(rest), changes }
}

/** Extents of all axes but the last, of x [B, T, ..]. */
const leadOf = (g: Graph, x: Value): Value => g.once(`lead ${x.name}`, () => g.op('Shape', [x], { start: 0, end: 2 }))

/** `made`, which has as many rows as `x`: their number need not be asked for again. */
export function rowsAs(g: Graph, x: Value, made: Value): Value {
  const lead = leadOf(g, x)
  g.once(`lead ${made.name}`, () => lead)
  return made
}

/** x [B, T, wide] -> [B T, wide]. One reshape however many layers read x: each would copy it. */
export const flatRows = (g: Graph, x: Value, wide: number): Value =>
  g.once(`flat ${x.name}`, () => g.op('Reshape', [x, g.ints([-1, wide])]))

/** rows [B T, values] -> [B, T, ..tail], B and T as of `x`. */
export function rowsBack(g: Graph, rows: Value, x: Value, tail: readonly number[]): Value {
  const lead = leadOf(g, x)
  const shape = g.once(`shape ${lead.name} ${tail.join()}`, () => g.op('Concat', [lead, g.ints(tail)], { axis: 0 }))
  return rowsAs(g, x, g.op('Reshape', [rows, shape]))
}

/**
 * x [.., in] -> x W^T + b [.., out], or [.., ..tail] of as many values. Gemm reads PyTorch's [out, in] in place; MatMul would need a
 * transposed copy.
 */
export function linear(g: Graph, x: Value, { weight, bias }: Product, rank: 2 | 3, tail?: readonly number[]): Value {
  const [out = 0, wide = 0] = weight.shape
  const flat = rank === 2 ? x : flatRows(g, x, wide)
  const { value, changes } = 'value' in weight ? weight : parts(g, weight)
  const inputs = [flat, value, ...(bias ? [g.weight(bias)] : [])]
  const product = withChanges(g, flat, g.op('Gemm', inputs, { transB: 1 }), changes)
  return rank === 2 ? product : rowsBack(g, product, x, tail ?? [out])
}

/** Layer norm over the last axis of `width` values, without learned scale and shift. */
export const plainLayerNorm = (g: Graph, x: Value, width: number, epsilon: number): Value =>
  g.op('LayerNormalization', [x, g.constant(new Array<number>(width).fill(1))], { axis: -1, epsilon })

/** Layer norm over the last axis. */
export const layerNorm = (g: Graph, x: Value, weight: StoredTensor, bias: StoredTensor, epsilon: number): Value =>
  g.op('LayerNormalization', [x, g.weight(weight), g.weight(bias)], { axis: -1, epsilon })

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis. */
export const rmsNorm = (g: Graph, x: Value, weight: StoredTensor, epsilon: number): Value =>
  g.op('RMSNormalization', [x, g.weight(weight)], { axis: -1, epsilon })

export const silu = (g: Graph, x: Value): Value => g.op('Mul', [x, g.op('Sigmoid', [x])])
export const geluTanh = (g: Graph, x: Value): Value => g.op('Gelu', [x], { approximate: 'tanh' })
export const geluErf = (g: Graph, x: Value): Value => g.op('Gelu', [x])
/** x * sigmoid(1.702 x). */
export const quickGelu = (g: Graph, x: Value): Value => g.op('ms.QuickGelu', [x], { alpha: 1.702 })

export interface AttentionOptions {
  readonly heads: number
  /** Factor on q k^T; 1 / sqrt(head size) when absent. */
  readonly scale?: number
  /** Added to the scores, [1 or B, 1 or heads, T, S]. */
  readonly bias?: Value
}

/** softmax(q k^T scale + bias) v over [B, T, heads * size]; com.microsoft's kernel never holds the whole score matrix. */
export function attention(g: Graph, q: Value, k: Value, v: Value, { heads, scale, bias }: AttentionOptions): Value {
  const attributes = { num_heads: heads, ...(scale === undefined ? {} : { scale: { float: scale } }) }
  return g.op('ms.MultiHeadAttention', [q, k, v, ...(bias ? [null, null, bias] : [])], attributes)
}

/** 2-D convolution with PyTorch's weight [out, in, k, k]; `pads` are top, left, bottom, right. */
export const conv2d = (g: Graph, x: Value, { weight, bias }: Linear, pads: readonly number[], stride = 1): Value =>
  g.op('Conv', [x, g.weight(weight), ...(bias ? [g.weight(bias)] : [])], { pads, strides: [stride, stride] })

/**
 * Group norm over [B, C, H, W]: instance norm over the groups, then scale and shift by channel. On a CPU that is a third of the
 * time of the GroupNormalization operator, which ONNX Runtime takes apart into many passes.
 */
export function groupNorm(g: Graph, x: Value, weight: StoredTensor, bias: StoredTensor, groups: number, eps: number) {
  const [ones, none] = [1, 0].map((value) => g.constant(new Array<number>(groups).fill(value)))
  const grouped = g.op('Reshape', [x, g.ints([0, groups, -1])])
  const normed = g.op('InstanceNormalization', [grouped, ones!, none!], { epsilon: eps })
  const [scale, shift] = [weight, bias].map((t) => g.weight({ ...t, shape: [...t.shape, 1, 1] }))
  const whole = g.op('Reshape', [normed, g.op('Shape', [x])])
  return g.op('Add', [g.op('Mul', [whole, scale!]), shift!])
}

/** Doubles height and width by repeating each value. */
export const upsampleNearest = (g: Graph, x: Value): Value =>
  g.op('Resize', [x, null, g.constant([1, 1, 2, 2])], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  })

/** Cuts the last axis (or `axis`) into pieces of these sizes. */
export const split = (g: Graph, x: Value, sizes: readonly number[], axis = -1): readonly Value[] =>
  g.ops('Split', [x, g.ints(sizes)], { axis }, sizes.length)

/** Rows of a table [n, width] at int64 `ids`; only the rows taken become float32, but where the table is float8, scaled or changed. */
export function embedding(g: Graph, table: StoredTensor, ids: Value): Value {
  const whole = table.scale ?? table.changes ?? table.dtype.startsWith('F8')
  if (whole) return g.op('Gather', [g.weight(table), ids], { axis: 0 })
  return g.toFloat(g.op('Gather', [g.stored(table), ids], { axis: 0 }))
}
