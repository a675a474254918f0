/** Graphs that a node returns in place of its outputs: how they are built, and how they join the graph that runs. */
import { Expansion, type AddedNode, type Shown, type SubGraph } from '../../nodes/define.ts'
import type { Part } from './call.ts'
import type { LiveGraph } from './graph.ts'
import type { Registry } from './registry.ts'
import { linkOf } from './shape.ts'

interface Draft {
  readonly class_type: string
  readonly inputs: Record<string, unknown>
  readonly display: string | null
}

/** Collects nodes under ids that begin with `prefix`. */
class GraphDraft implements SubGraph {
  readonly #prefix: string
  readonly #drafts = new Map<string, Draft>()

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  node(
    type: string,
    inputs: Readonly<Record<string, unknown>> = {},
    { name, display }: { readonly name?: string; readonly display?: string } = {},
  ): AddedNode {
    const id = `${this.#prefix}.${name ?? this.#drafts.size}`
    if (this.#drafts.has(id)) throw new Error(`the graph has a node named '${name ?? id}' already`)
    const draft: Draft = { class_type: type, inputs: { ...inputs }, display: display ?? null }
    this.#drafts.set(id, draft)
    return this.#handle(id, draft)
  }

  named(name: string): AddedNode {
    const id = `${this.#prefix}.${name}`
    const draft = this.#drafts.get(id)
    if (!draft) throw new Error(`the graph has no node named '${name}'`)
    return this.#handle(id, draft)
  }

  give(outputs: Readonly<Record<string, unknown>>, ui?: Shown): Expansion {
    return new Expansion(this.#drafts, outputs, ui)
  }

  #handle(id: string, draft: Draft): AddedNode {
    return {
      id,
      out: (slot) => [id, slot],
      set: (input, value) => void (draft.inputs[input] = value),
    }
  }
}

/** Gives a call its graphs: ids are node, call, graph and name, as in `7.0.0.3`. */
export function draftsOf(nodeId: string, call: number): () => SubGraph {
  let count = 0
  return () => new GraphDraft(`${nodeId}.${call}.${count++}`)
}

export interface Grown {
  /** Ids of the nodes that were added. */
  readonly added: readonly string[]
  /** Nodes that must have run before the outputs of the node that expanded are there. */
  readonly sources: readonly string[]
}

/** Adds the nodes of all expansions among `parts` to the graph, as children of `parent`. Throws for unknown classes. */
export function grow(graph: LiveGraph, parent: string, parts: readonly Part[], registry: Registry): Grown {
  const added: string[] = []
  const sources = new Set<string>()
  for (const part of parts) {
    if (part.kind !== 'expansion') continue
    for (const [id, { class_type, inputs, display }] of part.expansion.nodes) {
      if (!registry.nodes.has(class_type))
        throw new Error(`it expands to the node type '${class_type}', which is not installed`)
      graph.add(id, { class_type, inputs }, parent, display ?? parent)
      added.push(id)
    }
    for (const value of Object.values(part.expansion.outputs)) {
      const link = linkOf(value)
      if (link && graph.node(link.from)) sources.add(link.from)
    }
  }
  // Output nodes run whether or not something is linked to them.
  const outputs = added.filter((id) => registry.nodes.get(graph.node(id)?.class_type ?? '')?.definition.isOutput)
  return { added, sources: [...sources, ...outputs] }
}
