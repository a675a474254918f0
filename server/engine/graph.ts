/** The graph of a prompt and walks over its links; iterative throughout, so that a chain of any length is fine. */
import type { DynamicGraph } from '../../nodes/define.ts'
import type { Prompt, PromptNode } from './protocol.ts'
import { linksOf } from './shape.ts'

/** Distinct ids of the nodes that `id` takes inputs from and that exist. */
export function parentsOf(prompt: Prompt, id: string): string[] {
  const node = prompt[id]
  if (!node) return []
  const parents: string[] = []
  for (const [, link] of linksOf(node)) if (prompt[link.from] && !parents.includes(link.from)) parents.push(link.from)
  return parents
}

export interface Walk {
  /** Every node reached, parents before children (nodes on a cycle in some order). */
  readonly order: readonly string[]
  /** Each cycle met, as the ids along it. */
  readonly cycles: readonly (readonly string[])[]
}

interface Frame {
  readonly id: string
  readonly parents: readonly string[]
  next: number
}

/** Depth first from `roots` through what `parents` names. */
export function walkBy(roots: readonly string[], parents: (id: string) => readonly string[]): Walk {
  const state = new Map<string, 'open' | 'done'>()
  const order: string[] = []
  const cycles: string[][] = []
  const stack: Frame[] = []
  const open = (id: string): void => {
    state.set(id, 'open')
    stack.push({ id, parents: parents(id), next: 0 })
  }
  for (const root of roots) {
    if (state.has(root)) continue
    open(root)
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const parent = frame.parents[frame.next++]
      if (parent === undefined) {
        state.set(frame.id, 'done')
        order.push(frame.id)
        stack.pop()
      } else if (!state.has(parent)) open(parent)
      else if (state.get(parent) === 'open')
        cycles.push(stack.slice(stack.findIndex(({ id }) => id === parent)).map(({ id }) => id))
    }
  }
  return { order, cycles }
}

/** Depth first from `roots` through all their ancestors. */
export const walk = (prompt: Prompt, roots: readonly string[]): Walk =>
  walkBy(
    roots.filter((id) => prompt[id]),
    (id) => parentsOf(prompt, id),
  )

interface Added {
  readonly parent: string
  readonly display: string
}

/** The graph while it runs: the posted prompt, and what nodes added to it. */
export class LiveGraph implements DynamicGraph {
  readonly nodes: Record<string, PromptNode>
  readonly #added = new Map<string, Added>()

  constructor(prompt: Prompt) {
    this.nodes = Object.assign(Object.create(null) as Record<string, PromptNode>, prompt)
  }

  node(id: string): PromptNode | undefined {
    return this.nodes[id]
  }

  /** `display` may itself be an added node: it is followed to the one that a user knows. */
  add(id: string, node: PromptNode, parent: string, display: string): void {
    if (this.nodes[id]) throw new Error(`a node with the id '${id}' is in the graph already`)
    this.nodes[id] = node
    this.#added.set(id, { parent, display })
  }

  parentOf(id: string): string | null {
    return this.#added.get(id)?.parent ?? null
  }

  /** The node of the posted prompt that `id` is, or that led to it. */
  realOf(id: string): string {
    let real = id
    for (let added = this.#added.get(real); added; added = this.#added.get(real)) real = added.parent
    return real
  }

  displayOf(id: string): string {
    let shown = id
    for (let added = this.#added.get(shown); added && added.display !== shown; added = this.#added.get(shown))
      shown = added.display
    return shown
  }

  /** Names of a node in events and frames. */
  namesOf(id: string): NodeNames {
    return {
      node_id: id,
      display_node_id: this.displayOf(id),
      parent_node_id: this.parentOf(id),
      real_node_id: this.realOf(id),
    }
  }
}

export interface NodeNames {
  readonly node_id: string
  readonly display_node_id: string
  readonly parent_node_id: string | null
  readonly real_node_id: string
}

/** Added nodes, parents before children. */
export function parentsFirst(nodes: Prompt, added: readonly string[]): readonly string[] {
  const isAdded = new Set(added)
  return walk(nodes, added).order.filter((id) => isAdded.has(id))
}
