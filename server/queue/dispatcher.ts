/** Takes jobs from the queue, runs them one after another in the engine, and tells history and clients what becomes of them. */
import { EngineDiedError } from '../engine/death.ts'
import { NotStartedError, type Supervisor } from '../engine/supervisor.ts'
import { isPreview, type EngineEvent, type Outcome, type TextEvent } from '../engine/protocol.ts'
import { stringifyExact } from '../json.ts'
import type { Connection } from '../socket/connection.ts'
import type { JobObserver } from '../jobs/watchers.ts'
import type { Hub } from '../socket/hub.ts'
import type { History } from '../store/history.ts'
import { MAX_ATTEMPTS, promptOf, type Job, type QueuePort } from './port.ts'
import { deltaMessage, ProgressStates } from './progress.ts'
import { Recall } from './recall.ts'
import { JobRecord } from './record.ts'
import { QueueStatus } from './status.ts'

/** Milliseconds before a queue that could not be read or written is tried again. */
const RETRY = 1000
/** Milliseconds up to which a job counts as short, and after which those behind it are taken back. */
const SHORT = 5
const LONG = 10
/** Jobs that the engine may have at a time, while they are short. */
const AHEAD = 24
const TERMINAL = /^execution_(success|error|interrupted)$/
/** Feature flag of clients that take progress as deltas (`heddle.progress`) in place of whole states (`progress_state`). */
export const DELTAS = 'supports_progress_deltas'

export interface DispatcherParts {
  readonly queue: QueuePort
  readonly history: History
  readonly hub: Hub
  readonly engine: Supervisor
  readonly observer: JobObserver
  readonly onNotice: (message: string) => void
}

export class Dispatcher {
  readonly #parts: DispatcherParts
  /** Jobs that the engine has, in the order they run: the first runs, the others are only handed over early. */
  readonly #line: JobRecord[] = []
  readonly #ends = new Set<Promise<void>>()
  #progress: ProgressStates | null = null
  /** When the first of the line began, and how long the one before it took, in ms. */
  #since = 0
  #lastTook = Infinity
  #wanted: NodeJS.Immediate | null = null
  readonly #status: QueueStatus
  readonly #recall: Recall
  #watch: NodeJS.Timeout | null = null
  #stopping = false

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    const { hub, queue, observer } = parts
    this.#status = new QueueStatus(
      hub,
      () => queue.size(),
      () => observer.changed(),
    )
    this.#recall = new Recall(parts.engine, () => this.wake())
  }

  /** Runs whatever is pending; called after every `put` and at the start. */
  wake(): void {
    this.#wanted ??= setImmediate(() => {
      this.#wanted = null
      this.#fill()
    })
  }

  /** Events of the engine, in their order. */
  receive(promptId: string, events: readonly EngineEvent[]): void {
    const record = this.#recordOf(promptId)
    if (!record) return
    for (const event of events) {
      record.note(event)
      this.#parts.observer.event(record, event)
      if (!isPreview(event) && event.type === 'progress_state') this.#tellProgress(record, event)
      else {
        if (TERMINAL.test(event.type)) this.#progress?.close()
        this.#parts.hub.tell(record.owner, promptId, event)
      }
    }
  }

  /** A job has ended. */
  done(promptId: string, outcome: Outcome): void {
    const record = this.#recordOf(promptId)
    if (!record) return
    if (outcome === 'interrupted' && !record.ended) this.#emit(record, 'execution_interrupted', this.#place(record))
    this.#close(record, outcome)
  }

  /** Deltas go as they are to clients that know them; the others get whole states. */
  #tellProgress({ owner, job }: JobRecord, delta: TextEvent): void {
    const knows = (connection: Connection) => connection.supports(DELTAS)
    const needsAll = (connection: Connection) => !knows(connection)
    const { hub } = this.#parts
    const { promptId } = job
    if (hub.hasListeners(owner, knows)) hub.tellSome(owner, deltaMessage(promptId, delta), knows)
    this.#progress ??= new ProgressStates(
      promptId,
      () => hub.hasListeners(owner, needsAll),
      (whole) => hub.tellSome(owner, whole, needsAll),
    )
    this.#progress.note(delta)
  }

  /** Interrupts the running job; with an id only if it is that one. Returns whether there was one. */
  interrupt(promptId?: string): boolean {
    const running = this.#line[0]?.job.promptId
    if (running === undefined || (promptId !== undefined && promptId !== running)) return false
    this.#parts.engine.cancel(running)
    return true
  }

  /** The first message of a socket tells its id; who comes back to a running prompt learns where it is. */
  greet(connection: Connection): void {
    const { data: status } = this.#status
    connection.text(stringifyExact({ type: 'status', data: { status, sid: connection.clientId } }))
    const record = this.#line[0]
    if (record?.owner !== connection.clientId || record.executing === null) return
    const data = { node: record.executing, display_node: record.executing }
    connection.text(stringifyExact({ type: 'executing', data }))
  }

  tellStatus(): void {
    this.#status.changed()
  }

  /** Clients look for the status before the first and the last event of their own prompts: then it does not wait. */
  #tellOwner(record: JobRecord | undefined): void {
    if (record && record.owner !== null && this.#parts.hub.hasListeners(record.owner)) this.#status.tell()
  }

  /** The queue was paused, goes on, or has another order. */
  rearranged(): void {
    if (this.#line.length > 1) this.#recall.ask()
    this.tellStatus()
    this.wake()
  }

  /** Jobs that the engine has, first that which runs. */
  get line(): readonly JobRecord[] {
    return this.#line
  }

  /** Takes no more jobs, and resolves when the running one has ended: stop the engine to make it, and it is pending again. */
  async stop(endEngine: () => Promise<void>): Promise<void> {
    this.#stopping = true
    await endEngine()
    await Promise.all(this.#ends)
  }

  /** Whether a job that is listed as taken has not begun. */
  isStaged(promptId: string): boolean {
    return this.#line.findIndex(({ job }) => job.promptId === promptId) > 0
  }

  /** Jobs that are to go, of those that were handed over early: they are as if they were still pending. */
  withdraw(wanted: (promptId: string) => boolean): void {
    const staged = this.#line.slice(1).filter(({ job }) => wanted(job.promptId))
    for (const record of staged) record.withdrawn = true
    if (staged.length > 0) this.#recall.ask()
  }

  #recordOf(promptId: string): JobRecord | undefined {
    return this.#line.find(({ job }) => job.promptId === promptId)
  }

  /** Hands jobs to the engine: one, or while jobs are short some more, so that it need not wait for each. */
  #fill(): void {
    try {
      const { queue } = this.#parts
      if (this.#line.slice(1).some(({ job }) => queue.isBehind(job.promptId))) this.#recall.ask()
      while (
        !this.#stopping &&
        !this.#recall.isOut &&
        !queue.isPaused &&
        this.#line.length < (this.#lastTook < SHORT ? AHEAD : 1)
      ) {
        const job = queue.take()
        if (!job) return
        this.#start(job)
      }
    } catch (error) {
      this.#parts.onNotice(`queue: ${error instanceof Error ? error.message : String(error)}`)
      // A full disk, for one, may have room again in a while.
      setTimeout(() => this.wake(), RETRY).unref()
    }
  }

  #start(job: Job): void {
    const record = new JobRecord(job)
    this.#line.push(record)
    if (this.#line.length === 1) this.#begin()
    if (job.attempt > MAX_ATTEMPTS) {
      this.#close(record, this.#giveUp(record, 'the server ended while it ran'))
      return
    }
    const { promptId, outputs, secrets, texts } = job
    const { prompt, extraData } = texts
    const end = this.#parts.engine.run({ promptId, prompt, outputs, extraData, secrets }).then(
      () => undefined,
      (error: unknown) => this.#failed(record, error),
    )
    this.#ends.add(end)
    void end.finally(() => this.#ends.delete(end))
  }

  /** The first of the line begins. If it turns out to be long, those behind it go back into the queue, where they can be reordered. */
  #begin(): void {
    this.#since = performance.now()
    this.#progress = null
    this.tellStatus()
    this.#tellOwner(this.#line[0])
    this.#watch ??= setTimeout(() => this.#look(), LONG)
  }

  #look(): void {
    this.#watch = null
    if (this.#line.length < 2) return
    const left = LONG - (performance.now() - this.#since)
    if (left <= 0) this.#recall.ask()
    else this.#watch = setTimeout(() => this.#look(), left)
  }

  /** The engine died over it, or was not able to start it. */
  #failed(record: JobRecord, error: unknown): void {
    const { promptId, attempt } = record.job
    if (error instanceof NotStartedError || this.#stopping) {
      // Ending the server is no fault of the job's.
      this.#leave(record)
      if (record.withdrawn) this.#parts.queue.finish(promptId)
      else this.#parts.queue.giveBack(promptId, attempt - 1)
      if (record.withdrawn) this.tellStatus()
    } else if (!(error instanceof EngineDiedError))
      this.#close(record, this.#fail(record, error instanceof Error ? error : new Error(String(error))))
    else {
      this.#parts.onNotice(`prompt ${promptId}, attempt ${attempt} of ${MAX_ATTEMPTS}: ${error.message}`)
      if (attempt < MAX_ATTEMPTS && !error.outOfMemory) {
        this.#leave(record)
        this.#parts.queue.giveBack(promptId, attempt)
      } else this.#close(record, this.#giveUp(record, error.message))
    }
    if (!(error instanceof NotStartedError)) this.#lastTook = Infinity
    this.wake()
  }

  /** Takes a job out of the line; tells whether it was the one that runs. */
  #leave(record: JobRecord): boolean {
    const wasFirst = this.#line[0] === record
    this.#line.splice(this.#line.indexOf(record), 1)
    if (!wasFirst) return false
    this.#lastTook = performance.now() - this.#since
    this.#progress?.close()
    this.#progress = null
    return true
  }

  #giveUp(record: JobRecord, why: string): Outcome {
    const times = record.job.attempt === 1 ? 'one attempt' : `${MAX_ATTEMPTS} attempts`
    return this.#fail(record, new EngineDiedError(`This prompt was given up after ${times}: ${why}.`))
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
    const node_type = id === null ? '' : (promptOf(record.job)[id]?.class_type ?? '')
    return { node_id: id, node_type, executed: [], timestamp: Date.now() }
  }

  #emit(record: JobRecord, type: string, data: Readonly<Record<string, unknown>>): void {
    const { promptId } = record.job
    this.receive(promptId, [{ type, data: { prompt_id: promptId, ...data } }])
  }

  /** History first, then the status that ends the prompt, then `executing` with no node: clients rely on that order. */
  #close(record: JobRecord, outcome: Outcome): void {
    const { promptId } = record.job
    this.#parts.history.add(promptId, record.entryText(outcome), record.beside)
    this.#parts.queue.finish(promptId)
    this.tellStatus()
    this.#tellOwner(record)
    if (record.owner !== null) this.#emit(record, 'executing', { node: null })
    if (this.#leave(record) && this.#line.length > 0) this.#begin()
    this.#parts.observer.ended(record)
    this.wake()
  }
}
