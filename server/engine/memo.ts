/** The node memo: results of earlier runs by key, kept for as long as the chosen policy says. */
import { freemem } from 'node:os'
import type { Shown } from '../../nodes/define.ts'
import { bytesOf } from './bytes.ts'
import type { CachePolicy } from './protocol.ts'

/** What a node gave: per output slot the list of its values, and what clients are shown. */
export interface Result {
  readonly outputs: readonly (readonly unknown[])[]
  readonly ui: Shown | undefined
}

interface Entry {
  readonly result: Result
  /** The node of the posted prompt whose expansion made it; null for a node of the prompt itself. */
  readonly under: string | null
  /** The prompt that used it last. */
  generation: number
}

/** With every prompt that does not use it, a result counts as this much larger when memory is short. */
const AGING = 1.3
const GIGABYTE = 2 ** 30

/** Failed nodes are never put in. A prompt is between `begin` and `end`. */
export class Memo {
  readonly #policy: CachePolicy
  readonly #freeMemory: () => number
  readonly #entries = new Map<string, Entry>()
  #generation = 0

  constructor(policy: CachePolicy = { kind: 'classic' }, freeMemory: () => number = freemem) {
    this.#policy = policy
    this.#freeMemory = freeMemory
  }

  get(key: string): Result | undefined {
    const entry = this.#policy.kind === 'none' ? undefined : this.#entries.get(key)
    if (entry) entry.generation = this.#generation
    return entry?.result
  }

  set(key: string, result: Result, under: string | null = null): void {
    this.#entries.set(key, { result, under, generation: this.#generation })
  }

  /** A prompt starts: `keys` are those of its nodes, `hasNode` tells whether an id is in it. Drops what the policy does not keep. */
  begin(keys: Iterable<string>, hasNode: (id: string) => boolean): void {
    this.#generation++
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry) entry.generation = this.#generation
    }
    const policy = this.#policy
    if (policy.kind === 'classic')
      this.#drop(({ generation, under }) => generation < this.#generation && (under === null || !hasNode(under)))
    if (policy.kind === 'lru') this.#dropOldest(policy.size)
    if (policy.kind === 'none') this.clear()
    if (policy.kind === 'memory') this.#makeRoom(policy.gigabytes * GIGABYTE)
  }

  /** A prompt has ended; `ran` are its own nodes that ran. Results of their expansions that this run did not use go. */
  end(ran: ReadonlySet<string>): void {
    const policy = this.#policy
    if (policy.kind === 'classic')
      this.#drop(({ generation, under }) => generation < this.#generation && under !== null && ran.has(under))
    if (policy.kind === 'lru') this.#dropOldest(policy.size)
    if (policy.kind === 'none') this.clear()
    if (policy.kind === 'memory') this.#makeRoom(policy.gigabytes * GIGABYTE)
  }

  /** Whether some result has this very value among its outputs. */
  holds(value: unknown): boolean {
    for (const { result } of this.#entries.values())
      if (result.outputs.some((list) => list.includes(value))) return true
    return false
  }

  clear(): void {
    this.#entries.clear()
  }

  #drop(unwanted: (entry: Entry) => boolean): void {
    for (const [key, entry] of this.#entries) if (unwanted(entry)) this.#entries.delete(key)
  }

  /** Beyond `size` results those of the oldest prompts go, but never those of the current one. */
  #dropOldest(size: number): void {
    if (this.#entries.size <= size) return
    const older = [...this.#entries].filter(([, { generation }]) => generation < this.#generation)
    older.sort(([, a], [, b]) => a.generation - b.generation)
    for (const [key] of older.slice(0, this.#entries.size - size)) this.#entries.delete(key)
  }

  /** While less than `wanted` bytes are free, the largest results go, older ones counting as larger; never the current prompt's. */
  #makeRoom(wanted: number): void {
    let missing = wanted - this.#freeMemory()
    if (missing <= 0) return
    const weighed = [...this.#entries]
      .filter(([, { generation }]) => generation < this.#generation)
      .map(([key, { result, generation }]) => {
        const bytes = bytesOf(result.outputs)
        return { key, bytes, weight: bytes * AGING ** (this.#generation - generation) }
      })
      .sort((a, b) => b.weight - a.weight)
    for (const { key, bytes } of weighed) {
      if (missing <= 0) return
      this.#entries.delete(key)
      missing -= bytes
    }
  }
}
