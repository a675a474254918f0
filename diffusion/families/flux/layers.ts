/** Layers of a FLUX transformer by the names of their weights, as pieces of graph. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { linear, plainLayerNorm, silu, type Linear } from '../../onnx/ops.ts'
import type { StoredTensor } from '../../onnx/weights.ts'
import type { FluxConfig } from './config.ts'

export const EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface FluxParts {
  readonly config: FluxConfig
  /** By the names of `fluxShapes`. */
  readonly weights: ReadonlyMap<string, StoredTensor>
}

export const at = ({ weights }: FluxParts, name: string): StoredTensor => {
  const stored = weights.get(name)
  if (!stored) throw new Error(`flux: no weight '${name}'`)
  return stored
}

const layer = (parts: FluxParts, name: string): Linear => ({
  weight: at(parts, `${name}.weight`),
  bias: at(parts, `${name}.bias`),
})

export const apply = (g: Graph, parts: FluxParts, name: string, x: Value, rank: 2 | 3 = 3): Value =>
  linear(g, x, layer(parts, name), rank)

export const embedMlp = (g: Graph, parts: FluxParts, name: string, x: Value): Value =>
  apply(g, parts, `${name}.linear_2`, silu(g, apply(g, parts, `${name}.linear_1`, x, 2)), 2)

export const gated = (g: Graph, x: Value, gate: Value, change: Value): Value =>
  g.op('Add', [x, g.op('Mul', [gate, change])])

/** scale * LayerNorm(x) + shift; 1 is in the scale already. */
export const modulated = (g: Graph, x: Value, width: number, shift: Value, scale: Value): Value =>
  g.op('Add', [g.op('Mul', [plainLayerNorm(g, x, width, EPSILON), scale]), shift])
