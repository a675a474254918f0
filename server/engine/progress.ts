/** progress_state as deltas: which nodes were touched since the last report, and how far each is. */
import type { LiveGraph } from './graph.ts'
import type { Emitter } from './outbox.ts'

export interface NodeState {
  readonly value: number
  readonly max: number
  readonly state: 'running' | 'finished'
}

/** Gathers what changes; the server makes ComfyUI's whole states of it for clients that do not know deltas. */
export class ProgressBoard {
  readonly #promptId: string
  readonly #graph: LiveGraph
  readonly #emitter: Emitter
  readonly #changed = new Map<string, NodeState>()
  /** Most recent `max` of nodes that reported one. */
  readonly #max = new Map<string, number>()

  constructor(promptId: string, graph: LiveGraph, emitter: Emitter) {
    this.#promptId = promptId
    this.#graph = graph
    this.#emitter = emitter
  }

  start(id: string): void {
    this.#changed.set(id, { value: 0, max: 1, state: 'running' })
  }

  advance(id: string, value: number, max: number): void {
    this.#max.set(id, max)
    this.#changed.set(id, { value, max, state: 'running' })
  }

  finish(id: string): void {
    const max = this.#max.get(id) ?? 1
    this.#changed.set(id, { value: max, max, state: 'finished' })
  }

  /** Reports what changed since the last time, if anything did. */
  publish(): void {
    if (this.#changed.size === 0) return
    const prompt_id = this.#promptId
    const nodes: Record<string, unknown> = {}
    for (const [id, state] of this.#changed)
      // Nodes of the posted prompt have no other names than their id; the server fills that in where somebody listens.
      nodes[id] = this.#graph.parentOf(id) === null ? state : { ...state, ...this.#graph.namesOf(id) }
    this.#changed.clear()
    this.#emitter.emit({ type: 'progress_state', data: { prompt_id, nodes } })
  }
}
