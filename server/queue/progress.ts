/** Makes ComfyUI's whole progress states of the engine's deltas: at most so often, and always before what follows them. */
import type { TextEvent } from '../engine/protocol.ts'

/** Milliseconds between two states of a small prompt, and for how many nodes a further one is added. */
const INTERVAL = 50
const NODES_PER_MILLISECOND = 4

/** The state of one running prompt. */
export class ProgressStates {
  readonly #promptId: string
  readonly #send: (event: TextEvent) => void
  readonly #nodes: Record<string, unknown> = {}
  #count = 0
  #sentAt = 0
  #timer: NodeJS.Timeout | null = null

  constructor(promptId: string, send: (event: TextEvent) => void) {
    this.#promptId = promptId
    this.#send = send
  }

  /** Takes a delta; sends the state now or a little later. */
  note(delta: TextEvent): void {
    const nodes = delta.data['nodes'] as Readonly<Record<string, unknown>>
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
    this.#send({ type: 'progress_state', data: { prompt_id: this.#promptId, nodes: this.#nodes } })
  }
}
