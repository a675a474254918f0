/** Gathers messages between the two processes: what comes up in one turn of the event loop travels together. */

export class Batcher<T> {
  readonly #send: (messages: readonly T[]) => void
  #messages: T[] = []
  #scheduled: NodeJS.Immediate | null = null

  constructor(send: (messages: readonly T[]) => void) {
    this.#send = send
  }

  post(message: T): void {
    this.#messages.push(message)
    this.#scheduled ??= setImmediate(() => this.flush())
  }

  /** Sends what is gathered now. */
  flush(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled)
    this.#scheduled = null
    if (this.#messages.length === 0) return
    const messages = this.#messages
    this.#messages = []
    this.#send(messages)
  }
}
