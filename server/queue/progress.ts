/** Makes ComfyUI's whole progress states of the engine's deltas: at most so often, and always before what follows them. */
import type { TextEvent } from '../engine/protocol.ts'

/** Milliseconds between two states of a small prompt, and for how many nodes a further one is added. */
const INTERVAL = 50
const NODES_PER_MILLISECOND = 4

export type States = Readonly<Record<string, object>>

/** States as clients have them: with the prompt and all names of each node. */
export function fullStates(promptId: string, states: States): Record<string, object> {
  const full: Record<string, object> = {}
  for (const [id, state] of Object.entries(states)) {
    const names = { node_id: id, display_node_id: id, parent_node_id: null, real_node_id: id }
    full[id] = { ...names, prompt_id: promptId, ...state }
  }
  return full
}

/** The state of one running prompt. */
export class ProgressStates {
  readonly #send: (states: States) => void
  readonly #nodes: Record<string, object> = {}
  #count = 0
  #sentAt = 0
  #timer: NodeJS.Timeout | null = null

  constructor(send: (states: States) => void) {
    this.#send = send
  }

  /** Takes a delta; sends the state now or a little later. */
  note(delta: TextEvent): void {
    const nodes = delta.data['nodes'] as States
    for (const [id, state] of Object.entries(nodes)) {
      if (!(id in this.#nodes)) this.#count++
      this.#nodes[id] = state
    }
    if (this.#timer) return
    const wait = this.#sentAt + INTERVAL + this.#count / NODES_PER_MILLISECOND - Date.now()
    if (wait <= 0) this.#flush()
    else this.#timer = setTimeout(() => this.#flush(), wait)
  }

  /** Sends what was held back. */
  close(): void {
    if (this.#timer) this.#flush()
  }

  #flush(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#sentAt = Date.now()
    this.#send(this.#nodes)
  }
}
