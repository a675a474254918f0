/** How far each node of a running prompt is, and how long it took. */
import { sinceEpoch } from '../engine/clock.ts'
import type { EngineEvent } from '../engine/protocol.ts'
import { isPreview } from '../engine/protocol.ts'

/** `seconds` from the moment it was announced to its end, over all calls; null while it has not ended. */
export interface NodeProgress {
  readonly state: 'cached' | 'running' | 'finished' | 'failed'
  readonly value: number
  readonly max: number
  readonly seconds: number | null
}

interface Timed {
  state: NodeProgress['state']
  value: number
  max: number
  /** When it was announced, in ms since 1970. */
  readonly since: number
  ended: number | null
}

const seconds = ({ since, ended }: Timed): number | null =>
  ended === null ? null : Math.round((ended - since) * 1000) / 1e6

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback)

export class NodeTimes {
  readonly #nodes = new Map<string, Timed>()

  /** Takes an event of the prompt when it comes. */
  note(event: EngineEvent): void {
    if (isPreview(event)) return
    const { type, data, at = sinceEpoch() } = event
    if (type === 'executing' && typeof data['node'] === 'string') this.#start(data['node'], at)
    else if (type === 'progress_state') this.#advance(data['nodes'] as Readonly<Record<string, object>>, at)
    else if (type === 'execution_cached') {
      for (const id of data['nodes'] as readonly string[]) this.#start(id, at, 'cached')
    } else if ((type === 'execution_error' || type === 'heddle.node_error') && typeof data['node_id'] === 'string')
      this.#fail(data['node_id'], at)
  }

  /** Whether some node was not taken from an earlier prompt. */
  get ran(): boolean {
    for (const { state } of this.#nodes.values()) if (state !== 'cached') return true
    return false
  }

  /** Progress of the nodes that were touched, by id. */
  get all(): Readonly<Record<string, NodeProgress>> {
    const shown = [...this.#nodes].map(([id, timed]) => {
      const { state, value, max } = timed
      return [id, { state, value, max, seconds: state === 'cached' ? 0 : seconds(timed) }] as const
    })
    return Object.fromEntries(shown)
  }

  /** Seconds that nodes have run which are not finished, by id. */
  get running(): ReadonlyMap<string, { readonly elapsed: number; readonly done: number }> {
    const now = sinceEpoch()
    const open = [...this.#nodes].filter(([, { state }]) => state === 'running')
    return new Map(
      open.map(([id, { since, value, max }]) => [id, { elapsed: (now - since) / 1000, done: value / max }]),
    )
  }

  #start(id: string, at: number, state: 'running' | 'cached' = 'running'): void {
    if (this.#nodes.get(id)?.ended === null) return
    this.#nodes.set(id, { state, value: 0, max: 1, since: at, ended: state === 'cached' ? at : null })
  }

  #advance(states: Readonly<Record<string, object>>, at: number): void {
    for (const [id, state] of Object.entries(states)) {
      const { value, max, state: name } = state as { value?: unknown; max?: unknown; state?: unknown }
      const known = this.#nodes.get(id)
      if (!known || known.state === 'cached') continue
      known.value = numberOr(value, known.value)
      known.max = numberOr(max, known.max)
      if (name === 'finished' && known.ended === null) {
        known.state = 'finished'
        known.ended = at
      }
    }
  }

  #fail(id: string, at: number): void {
    const known = this.#nodes.get(id)
    if (!known) return
    known.state = 'failed'
    known.ended ??= at
  }
}
