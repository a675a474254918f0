/** Walks over a prompt's links; iterative throughout, so that a chain of any length is fine. */
import type { Prompt } from './protocol.ts'
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
  /** Each cycle met, as the ids along it. */
  readonly cycles: readonly (readonly string[])[]
}

interface Frame {
  readonly id: string
  readonly parents: readonly string[]
  next: number
}

/** Depth first from `roots` through their ancestors. `stop` keeps a node's own parents from being walked. */
export function walk(prompt: Prompt, roots: readonly string[], stop?: (id: string) => boolean): Walk {
  const state = new Map<string, 'open' | 'done'>()
  const order: string[] = []
  const cycles: string[][] = []
  const stack: Frame[] = []
  const open = (id: string): void => {
    state.set(id, 'open')
    stack.push({ id, parents: stop?.(id) ? [] : parentsOf(prompt, id), next: 0 })
  }
  for (const root of roots) {
    if (!prompt[root] || state.has(root)) continue
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
