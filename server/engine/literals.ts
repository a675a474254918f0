/** Values that a prompt itself holds for a node, as its own checks see them: parsed where they parse, links left out. */
import type { PromptNode } from './protocol.ts'
import type { RegisteredNode } from './registry.ts'
import { linkOf, unwrap } from './shape.ts'

const noLists = (): readonly string[] => []

/** Literals of declared inputs by name. Choices from folders are not looked up: their text is their value. */
export function literalValues(node: PromptNode, registered: RegisteredNode): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, spec] of registered.inputs) {
    const value = node.inputs[name]
    if (spec.hidden || value === undefined || value === null || linkOf(value)) continue
    const literal = unwrap(value)
    const parsed = spec.linkOnly ? null : spec.parse(literal, noLists)
    values[name] = parsed?.ok ? parsed.value : literal
  }
  return values
}
