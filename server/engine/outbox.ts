/** The engine's ordered line to the server: events are gathered and sent together, previews keep their place. */
import type { EngineEvent, FromEngine } from './protocol.ts'

/** What the executor reports to. */
export interface Emitter {
  emit(event: EngineEvent): void
  /** Hands everything over now: done before node code runs, so that a crash can be traced to its node. */
  flush(): void
}

/** Gathers the events of one run and posts them in batches. */
export class Outbox implements Emitter {
  readonly #promptId: string
  readonly #post: (message: FromEngine) => void
  #events: EngineEvent[] = []
  #scheduled: NodeJS.Immediate | null = null

  constructor(promptId: string, post: (message: FromEngine) => void) {
    this.#promptId = promptId
    this.#post = post
  }

  emit(event: EngineEvent): void {
    this.#events.push(event)
    this.#scheduled ??= setImmediate(() => this.flush())
  }

  flush(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled)
    this.#scheduled = null
    if (this.#events.length === 0) return
    const events = this.#events
    this.#events = []
    this.#post({ kind: 'events', promptId: this.#promptId, events })
  }
}
