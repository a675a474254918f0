/** Modules of joint blocks as a graph meets them: run, answered from outside, or refreshed for some tokens. */
import type { ModuleKey } from '../../caching/contract.ts'
import type { Graph, Value } from '../../onnx/graph.ts'

/** A module of a block, as the graph meets it. What it gives comes after the output projection, before the gate. */
export interface Site {
  readonly key: ModuleKey
  /** Whether its tokens are text before image in one value (single blocks), or image and text apart (double blocks). */
  readonly joined: boolean
  /** `watch` is shown the rotated queries and keys [B, tokens, width] of an attention. */
  readonly run: (watch?: Watch) => readonly Value[]
  /** Its output with some image tokens computed anew; `tokens` are their places in the flattened batch, int64 [B count]. */
  readonly refresh?: (output: readonly Value[], tokens: Value) => readonly Value[]
}

export type Watch = (queries: Value, keys: Value) => void

/** How a graph comes by a module's output. */
export type Route = (site: Site) => readonly Value[]

/** Every module is run. */
export const runAll: Route = ({ run }) => run()

/**
 * How a single block's two modules leave it: 'together', through one product over both, or 'apart', each through its own columns of
 * the weight. Apart costs a copy of the weight where constants are not folded at load.
 */
export type Projection = 'together' | 'apart'

/** `output` [B, T, width] with what `run` makes of the chosen tokens of `x` put in their places. */
export function refreshed(
  g: Graph,
  width: number,
  output: Value,
  x: Value,
  tokens: Value,
  run: (rows: Value) => Value,
): Value {
  const flat = (value: Value): Value => g.op('Reshape', [value, g.ints([-1, width])])
  const chosen = g.op('Gather', [flat(x), tokens], { axis: 0 })
  const batch = g.op('Shape', [x], { start: 0, end: 1 })
  const shape = g.op('Concat', [batch, g.ints([-1, width])], { axis: 0 })
  const made = flat(run(g.op('Reshape', [chosen, shape])))
  const mixed = g.op('ScatterND', [flat(output), g.op('Unsqueeze', [tokens, g.ints([1])]), made])
  return g.op('Reshape', [mixed, g.op('Shape', [output])])
}
