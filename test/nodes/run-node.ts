/** Runs a node of the registry by its class name, its defaults filled in. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadRegistry, type RegisteredNode } from '../../server/engine/registry.ts'
import { inputsOf, type Settings } from './caching/subject.ts'
import { context } from './context.ts'

const { nodes, problems } = await loadRegistry()
if (problems.length > 0) throw new Error(problems.join('\n'))

export function nodeOf(type: string): RegisteredNode {
  const node = nodes.get(type)
  if (!node) throw new Error(`there is no node ${type}`)
  return node
}

/** What the node gives; `settings` are links as the values they carry, and widgets that differ from their defaults. */
export async function runNode(
  type: string,
  settings: Settings = {},
  root = join(tmpdir(), 'heddle-nodes'),
): Promise<Record<string, unknown>> {
  const node = nodeOf(type)
  const values = inputsOf(node, settings)
  return (await node.definition.run(values as never, context(root))) as Record<string, unknown>
}

/** Names and defaults of the inputs in order, ports without a default. */
export const declared = (type: string): readonly (readonly [string, unknown])[] =>
  nodeOf(type)
    .inputs.filter(([, spec]) => !spec.hidden)
    .map(([name, spec]) => [name, spec.linkOnly ? spec.type : spec.options(() => [])['default']] as const)
