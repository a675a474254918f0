/** Tells everybody how long the queue is: once for all changes of a few milliseconds, however many there are. */
import type { Hub } from '../socket/hub.ts'

/** Milliseconds between two messages, unless one is wanted at once. */
const PAUSE = 10

export class QueueStatus {
  readonly #hub: Hub
  readonly #size: () => number
  readonly #onTold: () => void
  /** Set while there is something to tell. */
  #timer: NodeJS.Timeout | null = null
  #toldAt = 0

  /** `onTold` is called together with the message. */
  constructor(hub: Hub, size: () => number, onTold: () => void) {
    this.#hub = hub
    this.#size = size
    this.#onTold = onTold
  }

  /** The data of the message. */
  get data() {
    return { exec_info: { queue_remaining: this.#size() } }
  }

  /** Something has changed: tells of it soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => this.tell(), this.#toldAt + PAUSE - performance.now())
  }

  /** Tells now what is still to be told, if anything is. */
  tell(): void {
    if (!this.#timer) return
    clearTimeout(this.#timer)
    this.#timer = null
    this.#toldAt = performance.now()
    this.#hub.broadcast('status', { status: this.data })
    this.#onTold()
  }
}
