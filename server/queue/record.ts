/** What is written down of a running job: its messages and outputs, which make its history entry. */
import { isPreview, type EngineEvent, type Outcome, type TextEvent } from '../engine/protocol.ts'
import { Samplings } from '../engine/samplings.ts'
import { stringifyExact } from '../json.ts'
import type { Beside, HistoryEntry } from '../store/history.ts'
import { NodeTimes } from './node-times.ts'
import type { Job } from './port.ts'

const KEPT_MESSAGES = /^execution_(start|cached|success|error|interrupted)$/
const TERMINAL = /^execution_(success|error|interrupted)$/

/** A block is told as an error without a time; the run goes on. */
const isBlock = (event: TextEvent): boolean =>
  event.type === 'execution_error' &&
  event.data['exception_type'] === 'ExecutionBlocked' &&
  !('timestamp' in event.data)

export class JobRecord {
  readonly job: Job
  readonly #messages: (readonly [string, unknown])[] = []
  readonly #outputs: Record<string, unknown> = {}
  /** Nodes that others added to the graph, by their names; of the posted ones nothing is noted. */
  readonly #meta: Record<string, unknown> = {}
  readonly #samplings = new Samplings()
  readonly times = new NodeTimes()
  /** The node that was started last, for when the engine dies over it. */
  #executing: string | null = null
  #ended = false
  /** Set when it is to be dropped if it has not begun. */
  withdrawn = false

  constructor(job: Job) {
    this.job = job
  }

  /** The socket that hears of this job. */
  get owner(): string | null {
    const owner = this.job.extraData['client_id']
    return typeof owner === 'string' ? owner : null
  }

  get executing(): string | null {
    return this.#executing
  }

  /** Whether the terminal event is already there. */
  get ended(): boolean {
    return this.#ended
  }

  note(event: EngineEvent): void {
    if (isPreview(event)) return
    this.times.note(event)
    const { type, data } = event
    const { node } = data
    // The two that every node causes, and that nothing else is kept of.
    if (type === 'progress_state') return
    if (type === 'executing') {
      if (typeof node === 'string') this.#executing = node
      return
    }
    this.#samplings.note(event)
    if (KEPT_MESSAGES.test(type) && !isBlock(event)) this.#messages.push([type, data])
    if (TERMINAL.test(type) && !isBlock(event)) this.#ended = true
    if (type === 'executed' && typeof node === 'string') {
      this.#outputs[node] = data['output']
      if (data['meta'] !== undefined) this.#meta[node] = data['meta']
    }
  }

  /** What the nodes have shown so far, by id. */
  get outputs(): Readonly<Record<string, unknown>> {
    return this.#outputs
  }

  /** When it began, in ms since 1970; null when it has not. */
  get startedAt(): number | null {
    const [, data] = this.#messages.find(([type]) => type === 'execution_start') ?? []
    const time = (data as { timestamp?: unknown } | undefined)?.timestamp
    return typeof time === 'number' ? time : null
  }

  /** What the history keeps beside the entry. */
  get beside(): Beside {
    return { reports: this.#samplings.all, nodes: this.times.all }
  }

  /** The history entry as JSON. */
  entryText(outcome: Outcome): string {
    const { number, promptId, texts } = this.job
    const { prompt, extraData, outputs } = texts
    const meta = Object.keys(this.#outputs).map((id) => [
      id,
      { node_id: id, display_node: id, parent_node: null, real_node_id: id, ...(this.#meta[id] as object | undefined) },
    ])
    const rest: Omit<HistoryEntry, 'prompt'> = {
      outputs: this.#outputs,
      status: {
        status_str: outcome === 'success' ? 'success' : 'error',
        completed: outcome === 'success',
        messages: this.#messages,
      },
      meta: Object.fromEntries(meta) as Record<string, unknown>,
    }
    const head = `{"prompt":[${number},${JSON.stringify(promptId)},${prompt},${extraData},${outputs}],`
    return head + stringifyExact(rest).slice(1)
  }
}
