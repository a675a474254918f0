/** Memo keys, Merkle style: one hash per node stands for everything above it, so nothing walks ancestors twice. */
import { hash, randomUUID } from 'node:crypto'
import type { Files } from '../../nodes/define.ts'
import { literalValues } from './literals.ts'
import type { Prompt, PromptNode } from './protocol.ts'
import type { RegisteredNode, Registry } from './registry.ts'
import { linkOf } from './shape.ts'

/** Deeper values are taken for ones that cannot be compared. */
const MAX_DEPTH = 250

/** A value that equals nothing, not even itself: a node that has one never shares a result. */
class Incomparable extends Error {}

/** Values with sorted keys; big integers and texts cannot be mistaken for each other. Throws Incomparable for live objects. */
function canonical(value: unknown, depth = 0): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol' || Number.isNaN(value)) throw new Incomparable()
    return String(value)
  }
  if (depth > MAX_DEPTH) throw new Incomparable()
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, depth + 1)).join(',')}]`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new Incomparable()
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one, depth + 1)}`).join(',')}}`
}

/** The node's own fingerprint over its literals. NaN, or an exception, means: run it every time. */
async function fingerprintOf(node: PromptNode, registered: RegisteredNode, files: Files): Promise<string> {
  try {
    const print = await registered.definition.fingerprint?.(literalValues(node, registered), files)
    return Number.isNaN(print) ? randomUUID() : `${typeof print} ${String(print)}`
  } catch {
    return randomUUID()
  }
}

/** Inputs as text: literals, and for links the parent's key with the slot. What does not reach the node is left out. */
function inputsText(node: PromptNode, registered: RegisteredNode, keys: ReadonlyMap<string, string>): string {
  const parts: string[] = []
  const put = (name: string, value: unknown): void => {
    const link = linkOf(value)
    const key = link ? keys.get(link.from) : undefined
    // Without a key it is missing, or on a cycle that only lazy links may close.
    if (link && key === undefined) throw new Incomparable()
    parts.push(`${name}=${link ? `@${key}.${link.slot}` : canonical(value)}`)
  }
  for (const [name] of registered.inputs) if (node.inputs[name] !== undefined) put(name, node.inputs[name])
  if (registered.definition.variadic)
    for (const name of Object.keys(node.inputs).sort())
      if (!registered.spec(name) && linkOf(node.inputs[name])) put(name, node.inputs[name])
  return parts.join('\n')
}

function keyOf(id: string, node: PromptNode, registered: RegisteredNode, print: string, keys: Map<string, string>) {
  try {
    const own = registered.perNode ? id : ''
    return hash('sha256', [node.class_type, own, print, inputsText(node, registered, keys)].join('\0'), 'base64')
  } catch (error) {
    if (error instanceof Incomparable) return randomUUID()
    throw error
  }
}

/** Keys of all nodes in `order` (parents first), put into `keys`. Equal keys mean equal results, whatever the node ids. */
export async function keysOf(
  prompt: Prompt,
  order: readonly string[],
  registry: Registry,
  files: Files,
  keys = new Map<string, string>(),
): Promise<Map<string, string>> {
  for (const id of order) {
    const node = prompt[id]
    const registered = node && registry.nodes.get(node.class_type)
    if (!registered) continue
    const print = registered.definition.fingerprint ? await fingerprintOf(node, registered, files) : ''
    keys.set(id, keyOf(id, node, registered, print, keys))
  }
  return keys
}
