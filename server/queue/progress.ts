/** Makes ComfyUI's whole progress states of the engine's deltas: at most so often, and always before what follows them. */
import type { TextEvent } from '../engine/protocol.ts'

/** Milliseconds between two states of a small prompt, and for how many nodes a further one is added. */
const INTERVAL = 50
const NODES_PER_MILLISECOND = 4

type States = Readonly<Record<string, object>>

/** The state of one node as clients have it, with the prompt and all names, as JSON behind its id. */
function stateText(promptId: string, id: string, state: object): string {
  const names = { node_id: id, display_node_id: id, parent_node_id: null, real_node_id: id }
  return `${JSON.stringify(id)}:${JSON.stringify({ ...names, prompt_id: promptId, ...state })}`
}

/** A message with the states of nodes. It is made of texts: of thousands, one object would hold everything up for too long. */
const message = (type: string, promptId: string, states: readonly string[]): string =>
  `{"type":"${type}","data":{"prompt_id":${JSON.stringify(promptId)},"nodes":{${states.join()}}}}`

/** What has changed, for clients that put it together themselves. */
export function deltaMessage(promptId: string, delta: TextEvent): string {
  const changed = Object.entries(delta.data['nodes'] as States)
  return message(
    'heddle.progress',
    promptId,
    changed.map(([id, state]) => stateText(promptId, id, state)),
  )
}

/** The state of one running prompt. */
export class ProgressStates {
  readonly #promptId: string
  readonly #isHeard: () => boolean
  readonly #send: (whole: string) => void
  /** What is sent of each node, or, where nobody has listened yet, its state. */
  readonly #nodes = new Map<string, string | object>()
  #sentAt = 0
  #timer: NodeJS.Timeout | null = null

  constructor(promptId: string, isHeard: () => boolean, send: (whole: string) => void) {
    this.#promptId = promptId
    this.#isHeard = isHeard
    this.#send = send
  }

  /** Takes a delta; sends the state now or a little later. */
  note(delta: TextEvent): void {
    const isHeard = this.#isHeard()
    for (const [id, state] of Object.entries(delta.data['nodes'] as States))
      this.#nodes.set(id, isHeard ? stateText(this.#promptId, id, state) : state)
    if (this.#timer) return
    const wait = this.#sentAt + INTERVAL + this.#nodes.size / NODES_PER_MILLISECOND - Date.now()
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
    if (!this.#isHeard()) return
    const texts = [...this.#nodes].map(([id, state]) =>
      typeof state === 'string' ? state : stateText(this.#promptId, id, state),
    )
    this.#send(message('progress_state', this.#promptId, texts))
  }
}
