/** What has to run, and which ready node comes next. */
import { parentsOf, walk } from './graph.ts'
import type { Prompt } from './protocol.ts'
import type { Registry } from './registry.ts'

/** Nodes by how soon they show something: outputs and those that only wait first, then what feeds them directly, then what is two away. */
const RANKS = 4

/** A first-in-first-out queue whose `shift` does not move what is behind. */
class Fifo {
  readonly #items: string[] = []
  #head = 0
  push(item: string): void {
    this.#items.push(item)
  }
  shift(): string | undefined {
    const item = this.#items[this.#head]
    if (item !== undefined) this.#head++
    return item
  }
}

export interface Plan {
  /** Nodes that will run, parents before children. */
  readonly needed: readonly string[]
  /** The next ready node, or undefined. `heavyBusy` passes over nodes that use model sessions. */
  next(heavyBusy: boolean): string | undefined
  /** Tells that a node's outputs are there, which may make others ready. */
  finish(id: string): void
}

function ranksOf(prompt: Prompt, needed: readonly string[], isFirst: (id: string) => boolean): Map<string, number> {
  const ranks = new Map(needed.map((id) => [id, isFirst(id) ? 0 : RANKS - 1]))
  for (let distance = 1; distance < RANKS - 1; distance++)
    for (const id of needed)
      if (ranks.get(id) === distance - 1)
        for (const parent of parentsOf(prompt, id)) if ((ranks.get(parent) ?? 0) > distance) ranks.set(parent, distance)
  return ranks
}

/** Plans a run of `outputs`; what `isCached` holds, and what only it would need, is left out. */
export function plan(
  prompt: Prompt,
  outputs: readonly string[],
  registry: Registry,
  isCached: (id: string) => boolean,
): Plan {
  const needed = walk(prompt, outputs, isCached).order.filter((id) => !isCached(id))
  const inPlan = new Set(needed)
  const node = (id: string) => registry.nodes.get(prompt[id]!.class_type)!
  const ranks = ranksOf(prompt, needed, (id) => {
    const { definition, heavy } = node(id)
    return (definition.isOutput ?? false) || (!heavy && definition.run.constructor.name === 'AsyncFunction')
  })
  const light = Array.from({ length: RANKS }, () => new Fifo())
  const heavy = Array.from({ length: RANKS }, () => new Fifo())
  const waiting = new Map<string, number>()
  const children = new Map<string, string[]>(needed.map((id) => [id, []]))
  const ready = (id: string) => (node(id).heavy ? heavy : light)[ranks.get(id) ?? 0]!.push(id)
  for (const id of needed) {
    const parents = parentsOf(prompt, id).filter((parent) => inPlan.has(parent))
    for (const parent of parents) children.get(parent)!.push(id)
    waiting.set(id, parents.length)
    if (parents.length === 0) ready(id)
  }
  return {
    needed,
    next(heavyBusy) {
      for (let rank = 0; rank < RANKS; rank++) {
        const id = light[rank]!.shift() ?? (heavyBusy ? undefined : heavy[rank]!.shift())
        if (id !== undefined) return id
      }
      return undefined
    },
    finish(id) {
      for (const child of children.get(id) ?? []) {
        const left = waiting.get(child)! - 1
        waiting.set(child, left)
        if (left === 0) ready(child)
      }
    },
  }
}
