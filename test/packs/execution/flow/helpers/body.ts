/** What lies between the two ends of a loop. */
import type { DynamicGraph, Link } from '../../../../../nodes/define.ts'

/** The link that an input is, or null. */
export function linkIn(value: unknown): Link | null {
  if (!Array.isArray(value) || value.length !== 2) return null
  const [id, slot] = value as unknown[]
  return typeof id === 'string' && typeof slot === 'number' ? [id, slot] : null
}

/** Ids of the nodes on any way from `open` to `close`, both included. */
export function bodyOf(graph: DynamicGraph, open: string, close: string): Set<string> {
  const children = new Map<string, string[]>([[close, []]])
  const seen = new Set([close])
  for (const id of seen)
    for (const value of Object.values(graph.node(id)?.inputs ?? {})) {
      const link = linkIn(value)
      if (!link) continue
      children.set(link[0], [...(children.get(link[0]) ?? []), id])
      seen.add(link[0])
    }
  const body = new Set([open])
  for (const id of body) for (const child of children.get(id) ?? []) body.add(child)
  return body.add(close)
}
