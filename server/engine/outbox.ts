/** The engine's ordered line to the server: events are gathered and sent together, previews keep their place. */
import { stringifyExact } from '../json.ts'
import { sinceEpoch } from './clock.ts'
import { isPreview, type EngineEvent, type FromEngine, type PreviewEvent, type SentEvents } from './protocol.ts'

/** What the executor reports to. */
export interface Emitter {
  /** Throws TypeError for an event that cannot be written as JSON. */
  emit(event: EngineEvent): void
  /** Hands everything over now. */
  flush(): void
  /** Whether that was last done a while ago. */
  readonly isStale: boolean
}

/** Milliseconds that an event may wait while node code runs. */
const STALE = 2

/** Gathers the events of one run and posts them in batches. */
export class Outbox implements Emitter {
  readonly #promptId: string
  readonly #post: (message: FromEngine) => void
  #events: (string | PreviewEvent)[] = []
  #times: number[] = []
  #scheduled: NodeJS.Immediate | null = null
  #flushed = performance.now()

  constructor(promptId: string, post: (message: FromEngine) => void) {
    this.#promptId = promptId
    this.#post = post
  }

  emit(event: EngineEvent): void {
    this.#events.push(isPreview(event) ? event : stringifyExact(event))
    this.#times.push(sinceEpoch())
    this.#scheduled ??= setImmediate(() => this.flush())
  }

  flush(): void {
    const taken = this.take()
    if (taken.events.length > 0) this.#post({ kind: 'events', promptId: this.#promptId, ...taken })
  }

  get isStale(): boolean {
    return performance.now() - this.#flushed > STALE
  }

  /** What has not been handed over yet. */
  take(): SentEvents {
    if (this.#scheduled) clearImmediate(this.#scheduled)
    this.#scheduled = null
    this.#flushed = performance.now()
    const taken = { events: this.#events, times: this.#times }
    this.#events = []
    this.#times = []
    return taken
  }
}
