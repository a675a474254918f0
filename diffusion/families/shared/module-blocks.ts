/** The joint blocks of a transformer on ONNX Runtime: plain, and by module plans, with no private weight held twice. */
import type { Graph, Model, Value } from '../../onnx/graph.ts'
import { Segments } from '../../onnx/segments.ts'
import { openSession, type WeightMode } from '../../onnx/session.ts'
import type { ModuleShape, Rows } from '../contract.ts'
import { emittedRows, givenRows, moduleRoutes, moduleSession, type Range, type Sizes } from './module-routes.ts'
import { runAll, type Projection, type Route } from './sites.ts'

export type { Range, Sizes }

/** How a graph over blocks is built. */
export interface BlocksStyle {
  readonly projection: Projection
  /** How the graph comes by its modules' outputs; `lengths` are [L, T] as int64. May add inputs and outputs of its own. */
  readonly routes: (g: Graph, lengths: Value) => Route
}

/** Graphs of ranges of blocks, and the names of the rows and shared values that each takes. */
export interface JointBlocks {
  /** Stands in front of errors. */
  readonly name: string
  readonly depth: number
  readonly sizes: Sizes
  /** Takes `inputs` and gives image and text. */
  graph(range: Range, style: BlocksStyle): Model
  readonly inputs: readonly string[]
}

/** Single blocks' modules leave apart where that costs nothing at a run, so that plans give the bits of plain runs. */
export const plainStyle = (mode: WeightMode): BlocksStyle => ({
  projection: mode === 'private' ? 'apart' : 'together',
  routes: () => runAll,
})

/**
 * Runs blocks by plans. Their graphs have branches, which cost plain runs a little; mapped weights are shared by all sessions, so both kinds
 * of graph may be open. Private ones are not: the owner closes the plain graphs at the first plan, and these serve plain runs too.
 */
export class ModuleBlocks {
  readonly #segments: Segments

  constructor(blocks: JointBlocks, mode: WeightMode) {
    const { name, depth, sizes, inputs } = blocks
    this.#segments = new Segments(depth, async (from, to) => {
      const range: Range = [from, to]
      const routes = (g: Graph, lengths: Value): Route => moduleRoutes(g, lengths, range, sizes)
      const graph = blocks.graph(range, { projection: 'apart', routes })
      const session = await openSession(graph, mode, `${name}, blocks ${from} to ${to} with branches`)
      return moduleSession(session, range, sizes, inputs)
    })
  }

  /** `rows` that the blocks take and what `modules` names of `all`; gives image, text and what is emitted. */
  run(range: Range, modules: ModuleShape, rows: Rows, all: Rows, constants: Rows): Promise<Rows> {
    return this.#segments.run(range, { ...rows, ...givenRows(modules, all) }, constants, emittedRows(modules))
  }

  /** Without a plan. */
  plain(range: Range, rows: Rows, constants: Rows): Promise<Rows> {
    return this.#segments.run(range, rows, constants, [])
  }

  release(): Promise<void> {
    return this.#segments.release()
  }
}
