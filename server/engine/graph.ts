/** The graph of a prompt and walks over its links; iterative throughout, so that a chain of any length is fine. */
import type { DynamicGraph } from '../../nodes/define.ts'
import type { Prompt, PromptNode } from './protocol.ts'
import { linksOf } from './shape.ts'

/** Distinct ids of the nodes that `id` takes inputs from and that exist. */
export function parentsOf(prompt: Prompt, id: string): string[] {
  const node = prompt[id]
  if (!node) return []
  const parents = new Set<string>()
  for (const [, link] of linksOf(node)) if (prompt[link.from]) parents.add(link.from)
  return [...parents]
}

export interface Walk {
  /** Every node reached, parents before children (nodes on a cycle in some order). */
  readonly order: readonly string[]
  /** Sets of nodes that need each other, each in the order in which they were met: no node is in two. */
  readonly cycles: readonly (readonly string[])[]
}

interface Frame {
  readonly id: string
  readonly index: number
  readonly parents: readonly string[]
  /** The lowest index that this node leads back to. */
  low: number
  next: number
}

/** Depth first from `roots` through what `parents` names: Tarjan's algorithm (1972), in a time that grows with the links only. */
export function walkBy(roots: readonly string[], parents: (id: string) => readonly string[]): Walk {
  const indexes = new Map<string, number>()
  const order: string[] = []
  const cycles: string[][] = []
  const stack: Frame[] = []
  /** Nodes whose set is not complete. */
  const open: string[] = []
  const isOpen = new Set<string>()
  const enter = (id: string): void => {
    const index = indexes.size
    indexes.set(id, index)
    open.push(id)
    isOpen.add(id)
    stack.push({ id, index, parents: parents(id), low: index, next: 0 })
  }
  const leave = ({ id, index, low, parents }: Frame): void => {
    order.push(id)
    stack.pop()
    const child = stack.at(-1)
    if (child) child.low = Math.min(child.low, low)
    if (low < index) return
    const set = open.splice(open.lastIndexOf(id))
    for (const one of set) isOpen.delete(one)
    if (set.length > 1 || parents.includes(id)) cycles.push(set)
  }
  for (const root of roots) {
    if (indexes.has(root)) continue
    enter(root)
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const parent = frame.parents[frame.next++]
      if (parent === undefined) leave(frame)
      else if (!indexes.has(parent)) enter(parent)
      else if (isOpen.has(parent)) frame.low = Math.min(frame.low, indexes.get(parent) ?? frame.index)
    }
  }
  return { order, cycles }
}

/** One cycle among nodes that need each other, from a node to what it needs and on until it comes round. */
export function cycleIn(prompt: Prompt, set: readonly string[]): string[] {
  const members = new Set(set)
  const path = new Set<string>()
  for (let id = set[0]; id !== undefined;) {
    if (path.has(id)) return [...path].slice([...path].indexOf(id))
    path.add(id)
    id = parentsOf(prompt, id).find((parent) => members.has(parent))
  }
  return [...path]
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
