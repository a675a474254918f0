/** Runs a node of the registry by its class name, its defaults filled in. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import type { Latent, PortTypes } from '../../nodes/ports.ts'
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

/** What nodes give, by the names that outputs have. */
export interface Given extends PortTypes {
  readonly output: Latent
  readonly denoised_output: Latent
  readonly report: CacheReport
  readonly high_sigmas: readonly number[]
  readonly low_sigmas: readonly number[]
}

/** What the node gives; `settings` are links as the values they carry, and widgets that differ from their defaults. */
export async function runNode(
  type: string,
  settings: Settings = {},
  root = join(tmpdir(), 'heddle-nodes'),
): Promise<Given> {
  const node = nodeOf(type)
  return (await node.definition.run(inputsOf(node, settings), context(root))) as Given
}

/** Names and defaults of the inputs in order, ports without a default. */
export const declared = (type: string): readonly (readonly [string, unknown])[] =>
  nodeOf(type)
    .inputs.filter(([, spec]) => !spec.hidden)
    .map(([name, spec]) => [name, spec.linkOnly ? spec.type : spec.options(() => [])['default']] as const)
