/** The node memo: results by a Merkle-style key, so that one hash per node stands for everything above it. */
import { createHash, randomUUID } from 'node:crypto'
import type { Files } from '../../nodes/define.ts'
import type { Prompt, PromptNode } from './protocol.ts'
import type { RegisteredNode, Registry } from './registry.ts'
import { asLink, unwrap } from './shape.ts'

/** What a node gave: per output slot the list of its values, and what clients are shown. */
export interface Result {
  readonly outputs: readonly (readonly unknown[])[]
  readonly ui: Readonly<Record<string, readonly unknown[]>> | undefined
}

/** Classic policy: keeps exactly what the current prompt uses. Failed nodes are never put in. */
export class Memo {
  readonly #results = new Map<string, Result>()

  get(key: string): Result | undefined {
    return this.#results.get(key)
  }
  set(key: string, result: Result): void {
    this.#results.set(key, result)
  }
  /** Drops every result whose key is not in `keys`. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#results.keys()) if (!keys.has(key)) this.#results.delete(key)
  }
  /** Whether some result has this very value among its outputs. */
  holds(value: unknown): boolean {
    for (const { outputs } of this.#results.values()) if (outputs.some((list) => list.includes(value))) return true
    return false
  }
  clear(): void {
    this.#results.clear()
  }
}

/** Literals with sorted keys; big integers and texts cannot be mistaken for each other. */
function canonical(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`
  }
  return value === undefined ? 'undefined' : JSON.stringify(value)
}

/** The node's own fingerprint over its literals. NaN, or an exception, means: run it every time. */
async function fingerprintOf(node: PromptNode, registered: RegisteredNode, files: Files): Promise<string> {
  const { definition } = registered
  if (!definition.fingerprint) return ''
  const literals = Object.entries(node.inputs).filter(([name, value]) => registered.spec(name) && !asLink(value))
  const values = Object.fromEntries(literals.map(([name, value]) => [name, unwrap(value)]))
  try {
    const print = await definition.fingerprint(values as never, files)
    return Number.isNaN(print) ? randomUUID() : String(print)
  } catch {
    return randomUUID()
  }
}

/** Declared inputs as text: literals, and for links the parent's key with the slot. Undeclared inputs do not reach the node. */
function inputsText(node: PromptNode, registered: RegisteredNode, keys: ReadonlyMap<string, string>): string {
  const parts: string[] = []
  for (const [name] of registered.inputs) {
    const value = node.inputs[name]
    if (value === undefined) continue
    const link = asLink(value)
    parts.push(`${name}=${link ? `@${keys.get(link.from) ?? ''}.${link.slot}` : canonical(value)}`)
  }
  return parts.join('\n')
}

/** Keys of all nodes in `order` (parents first). Equal keys mean equal results, whatever the node ids. */
export async function keysOf(
  prompt: Prompt,
  order: readonly string[],
  registry: Registry,
  files: Files,
): Promise<Map<string, string>> {
  const keys = new Map<string, string>()
  for (const id of order) {
    const node = prompt[id]!
    const registered = registry.nodes.get(node.class_type)!
    const ownId = registered.inputs.some(([, spec]) => spec.type === 'UNIQUE_ID') ? id : ''
    const print = registered.definition.fingerprint ? await fingerprintOf(node, registered, files) : ''
    const text = [node.class_type, ownId, print, inputsText(node, registered, keys)].join('\0')
    keys.set(id, createHash('sha256').update(text).digest('base64'))
  }
  return keys
}
