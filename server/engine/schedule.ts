/** What has to run, and which ready node comes next; grows while it runs, as nodes ask for more or add nodes. */
import { parentsOf, walkBy } from './graph.ts'
import type { Prompt } from './protocol.ts'
import type { RegisteredNode, Registry } from './registry.ts'
import { linksOf } from './shape.ts'

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

export class Schedule {
  readonly #prompt: Prompt
  readonly #registry: Registry
  readonly #isDone: (id: string) => boolean
  /** Of every node that is to run or runs: how many results it waits for. */
  readonly #waiting = new Map<string, number>()
  /** Node to those that wait for it. */
  readonly #blocks = new Map<string, string[]>()
  readonly #ranks = new Map<string, number>()
  readonly #light = Array.from({ length: RANKS }, () => new Fifo())
  readonly #heavy = Array.from({ length: RANKS }, () => new Fifo())

  /** `isDone` tells whether a node's result is there. */
  constructor(prompt: Prompt, registry: Registry, isDone: (id: string) => boolean) {
    this.#prompt = prompt
    this.#registry = registry
    this.#isDone = isDone
  }

  /** Nodes that are to run or run. */
  get pending(): IterableIterator<string> {
    return this.#waiting.keys()
  }

  /** Has these nodes run, after everything that they cannot do without. */
  need(ids: readonly string[]): void {
    const isNew = (id: string) => !this.#isDone(id) && !this.#waiting.has(id)
    const parents = new Map<string, readonly string[]>()
    const { order } = walkBy(ids.filter(isNew), (id) => {
      const missing = this.#parentsOf(id).filter((parent) => !this.#isDone(parent))
      parents.set(id, missing)
      return missing.filter(isNew)
    })
    this.#rank(order, parents)
    for (const id of order) this.#wait(id, parents.get(id) ?? [])
  }

  /** Puts a node that was running back, until these others are done. */
  waitFor(id: string, others: readonly string[]): void {
    this.need(others)
    this.#wait(
      id,
      [...new Set(others)].filter((other) => !this.#isDone(other)),
    )
  }

  /** The next ready node, or undefined. `heavyBusy` passes over nodes that use model sessions. */
  next(heavyBusy: boolean): string | undefined {
    for (let rank = 0; rank < RANKS; rank++) {
      const id = this.#light[rank]?.shift() ?? (heavyBusy ? undefined : this.#heavy[rank]?.shift())
      if (id !== undefined) return id
    }
    return undefined
  }

  /** Tells that a node's outputs are there, which may make others ready. */
  finish(id: string): void {
    this.#waiting.delete(id)
    const children = this.#blocks.get(id)
    if (!children) return
    this.#blocks.delete(id)
    for (const child of children) {
      const left = (this.#waiting.get(child) ?? 1) - 1
      this.#waiting.set(child, left)
      if (left === 0) this.#ready(child)
    }
  }

  #registered(id: string): RegisteredNode | undefined {
    return this.#registry.nodes.get(this.#prompt[id]?.class_type ?? '')
  }

  /** Those it cannot run without: sources of lazy inputs are left out. */
  #parentsOf(id: string): readonly string[] {
    const registered = this.#registered(id)
    const node = this.#prompt[id]
    if (!node || !registered?.hasLazy) return parentsOf(this.#prompt, id)
    const strong = linksOf(node).filter(([name]) => !registered.spec(name)?.lazy)
    return [...new Set(strong.map(([, link]) => link.from))].filter((from) => this.#prompt[from])
  }

  #wait(id: string, others: readonly string[]): void {
    this.#waiting.set(id, others.length)
    for (const other of others) {
      const list = this.#blocks.get(other)
      if (list) list.push(id)
      else this.#blocks.set(other, [id])
    }
    if (others.length === 0) this.#ready(id)
  }

  #ready(id: string): void {
    const lines = this.#registered(id)?.heavy ? this.#heavy : this.#light
    lines[this.#ranks.get(id) ?? RANKS - 1]?.push(id)
  }

  #rank(ids: readonly string[], parents: ReadonlyMap<string, readonly string[]>): void {
    let last: string[] = []
    for (const id of ids) {
      const first = this.#registered(id)?.showsEarly ?? false
      this.#ranks.set(id, first ? 0 : RANKS - 1)
      if (first) last.push(id)
    }
    for (let distance = 1; distance < RANKS - 1; distance++) {
      const nearer: string[] = []
      for (const id of last)
        for (const parent of parents.get(id) ?? [])
          if ((this.#ranks.get(parent) ?? 0) > distance) {
            this.#ranks.set(parent, distance)
            nearer.push(parent)
          }
      last = nearer
    }
  }
}
