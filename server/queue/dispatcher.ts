/** Takes jobs from the queue one at a time, runs them in the engine, and tells history and clients what becomes of them. */
import { EngineDiedError, type Supervisor } from '../engine/supervisor.ts'
import { isPreview, type EngineEvent, type Outcome, type TextEvent } from '../engine/protocol.ts'
import { stringifyExact } from '../json.ts'
import type { Connection } from '../socket/connection.ts'
import type { Hub } from '../socket/hub.ts'
import type { History } from '../store/history.ts'
import { MAX_ATTEMPTS, type Job, type QueuePort } from './port.ts'
import { ProgressStates } from './progress.ts'
import { JobRecord } from './record.ts'

/** Milliseconds before a queue that could not be read or written is tried again. */
const RETRY = 1000
const TERMINAL = /^execution_(success|error|interrupted)$/
/** Feature flag of clients that take progress as deltas (`heddle.progress`) in place of whole states (`progress_state`). */
export const DELTAS = 'supports_progress_deltas'

export interface DispatcherParts {
  readonly queue: QueuePort
  readonly history: History
  readonly hub: Hub
  readonly engine: Supervisor
  readonly onNotice: (message: string) => void
}

export class Dispatcher {
  readonly #parts: DispatcherParts
  #running: JobRecord | null = null
  #progress: ProgressStates | null = null
  #pumping: Promise<void> | null = null
  #wanted = false
  #stopping = false

  constructor(parts: DispatcherParts) {
    this.#parts = parts
  }

  /** Runs whatever is pending; called after every `put` and at the start. */
  wake(): void {
    this.#wanted = true
    if (this.#stopping || this.#pumping) return
    this.#pumping = this.#pump()
      .catch((error: unknown) => {
        this.#parts.onNotice(`queue: ${error instanceof Error ? error.message : String(error)}`)
        this.#running = null
        // A full disk, for one, may have room again in a while.
        setTimeout(() => this.wake(), RETRY).unref()
      })
      .finally(() => {
        this.#pumping = null
        if (this.#wanted) this.wake()
      })
  }

  /** Events of the engine, in their order. */
  receive(promptId: string, events: readonly EngineEvent[]): void {
    const record = this.#running
    if (record?.job.promptId !== promptId) return
    for (const event of events) {
      record.note(event)
      if (!isPreview(event) && event.type === 'progress_state') this.#tellProgress(record, event)
      else {
        if (TERMINAL.test(event.type)) this.#progress?.close()
        this.#parts.hub.tell(record.owner, promptId, event)
      }
    }
  }

  /** Deltas go as they are to clients that know them; the others get whole states. */
  #tellProgress({ owner, job }: JobRecord, delta: TextEvent): void {
    const knows = (connection: Connection) => connection.supports(DELTAS)
    const { hub } = this.#parts
    hub.tell(owner, job.promptId, { ...delta, type: 'heddle.progress' }, knows)
    this.#progress ??= new ProgressStates(job.promptId, (state) =>
      hub.tell(owner, job.promptId, state, (connection) => !knows(connection)),
    )
    this.#progress.note(delta)
  }

  /** Interrupts the running job; with an id only if it is that one. Returns whether there was one. */
  interrupt(promptId?: string): boolean {
    const running = this.#running?.job.promptId
    if (running === undefined || (promptId !== undefined && promptId !== running)) return false
    this.#parts.engine.cancel(running)
    return true
  }

  /** The first message of a socket tells its id; who comes back to a running prompt learns where it is. */
  greet(connection: Connection): void {
    const status = { exec_info: { queue_remaining: this.#parts.queue.size() } }
    connection.text(stringifyExact({ type: 'status', data: { status, sid: connection.clientId } }))
    const record = this.#running
    if (record?.owner !== connection.clientId || record.executing === null) return
    const data = { node: record.executing, display_node: record.executing }
    connection.text(stringifyExact({ type: 'executing', data }))
  }

  tellStatus(): void {
    const exec_info = { queue_remaining: this.#parts.queue.size() }
    this.#parts.hub.broadcast('status', { status: { exec_info } })
  }

  /** Takes no more jobs, and resolves when the running one has ended: stop the engine to make it, and it is pending again. */
  async stop(endEngine: () => Promise<void>): Promise<void> {
    this.#stopping = true
    await endEngine()
    await this.#pumping
  }

  async #pump(): Promise<void> {
    for (;;) {
      this.#wanted = false
      const job = this.#stopping ? null : await this.#parts.queue.take()
      if (!job) return
      // A server that died between writing the history and emptying the queue has finished this one.
      if (this.#parts.history.has(job.promptId)) await this.#parts.queue.finish(job.promptId)
      else await this.#runJob(job)
    }
  }

  async #runJob(job: Job): Promise<void> {
    const record = new JobRecord(job)
    this.#running = record
    this.#progress?.close()
    this.#progress = null
    this.tellStatus()
    const outcome =
      job.attempt > MAX_ATTEMPTS ? this.#giveUp(record, 'the server ended while it ran') : await this.#try(record)
    if (outcome !== null) return this.#close(record, outcome)
    this.#running = null
    // Ending the server is no fault of the job's.
    await this.#parts.queue.giveBack(job.promptId, this.#stopping ? job.attempt - 1 : job.attempt)
  }

  /** One attempt; null when the engine died and the job is to be tried again. */
  async #try(record: JobRecord): Promise<Outcome | null> {
    const { promptId, prompt, outputs, extraData, attempt } = record.job
    try {
      const outcome = await this.#parts.engine.run({ promptId, prompt, outputs, extraData })
      if (outcome === 'interrupted' && !record.ended) this.#emit(record, 'execution_interrupted', this.#place(record))
      return outcome
    } catch (error) {
      if (!(error instanceof EngineDiedError))
        return this.#fail(record, error instanceof Error ? error : new Error(String(error)))
      if (this.#stopping) return null
      this.#parts.onNotice(`prompt ${promptId}, attempt ${attempt} of ${MAX_ATTEMPTS}: ${error.message}`)
      return attempt < MAX_ATTEMPTS ? null : this.#giveUp(record, error.message)
    }
  }

  #giveUp(record: JobRecord, why: string): Outcome {
    const error = new Error(`This prompt was given up after ${MAX_ATTEMPTS} attempts: ${why}.`)
    error.name = 'EngineDiedError'
    return this.#fail(record, error)
  }

  #fail(record: JobRecord, error: Error): Outcome {
    this.#emit(record, 'execution_error', {
      ...this.#place(record),
      exception_message: `${error.message}\n`,
      exception_type: error.name,
      traceback: [],
      current_inputs: {},
      current_outputs: [],
    })
    return 'error'
  }

  #place(record: JobRecord): Record<string, unknown> {
    const id = this.#parts.engine.marked(record.job.promptId) ?? record.executing
    const node_type = id === null ? '' : (record.job.prompt[id]?.class_type ?? '')
    return { node_id: id, node_type, executed: [], timestamp: Date.now() }
  }

  #emit(record: JobRecord, type: string, data: Readonly<Record<string, unknown>>): void {
    const { promptId } = record.job
    this.receive(promptId, [{ type, data: { prompt_id: promptId, ...data } }])
  }

  /** History first, then the status that ends the prompt, then `executing` with no node: clients rely on that order. */
  async #close(record: JobRecord, outcome: Outcome): Promise<void> {
    const { promptId } = record.job
    this.#parts.history.add(promptId, record.entryText(outcome), record.reports)
    await this.#parts.queue.finish(promptId)
    this.tellStatus()
    if (record.owner !== null) this.#emit(record, 'executing', { node: null })
    this.#running = null
  }
}
