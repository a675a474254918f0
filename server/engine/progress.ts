/** progress_state: which nodes were touched and how far each is, without sending quadratic amounts of it. */
import type { Emitter } from './outbox.ts'

interface NodeState {
  value: number
  max: number
  state: 'running' | 'finished'
}

/** Runs that touched more nodes than this send the state at most every INTERVAL ms (large ones less often), and once at the end. */
const SMALL = 50
const INTERVAL = 100

/** Names of a node in events. Without expanded graphs all of them are the node itself. */
export const namesOf = (id: string) => ({ display_node_id: id, parent_node_id: null, real_node_id: id })

export class ProgressBoard {
  readonly #promptId: string
  readonly #emitter: Emitter
  readonly #nodes = new Map<string, NodeState>()
  #sent = 0
  #unsent = false

  constructor(promptId: string, emitter: Emitter) {
    this.#promptId = promptId
    this.#emitter = emitter
  }

  start(id: string): void {
    this.#nodes.set(id, { value: 0, max: 1, state: 'running' })
    this.#publish()
  }

  advance(id: string, value: number, max: number): void {
    this.#nodes.set(id, { value, max, state: 'running' })
    this.#publish()
  }

  finish(id: string): void {
    const max = this.#nodes.get(id)?.max ?? 1
    this.#nodes.set(id, { value: max, max, state: 'finished' })
    this.#publish()
  }

  /** Sends what was held back. */
  close(): void {
    if (this.#unsent) this.#send()
  }

  #publish(): void {
    if (this.#nodes.size <= SMALL || Date.now() - this.#sent >= Math.max(INTERVAL, this.#nodes.size / 5)) this.#send()
    else this.#unsent = true
  }

  #send(): void {
    this.#sent = Date.now()
    this.#unsent = false
    const prompt_id = this.#promptId
    const nodes = [...this.#nodes].map(([node_id, state]) => [
      node_id,
      { ...state, node_id, prompt_id, ...namesOf(node_id) },
    ])
    this.#emitter.emit({ type: 'progress_state', data: { prompt_id, nodes: Object.fromEntries(nodes) as object } })
  }
}
