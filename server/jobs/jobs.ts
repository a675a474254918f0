/** Jobs by their ids: where each is, how long it will take, and cancelling, moving, following and waiting for it. */
import type { Dispatcher } from '../queue/dispatcher.ts'
import type { NodeProgress } from '../queue/node-times.ts'
import { byTurn, promptOf, type Job, type QueuePort } from '../queue/port.ts'
import { JobRecord } from '../queue/record.ts'
import type { History } from '../store/history.ts'
import { Estimates } from './estimates.ts'
import { createdOf, FinishedJobs, workflowIdOf, type Status, type Summary } from './finished.ts'
import type { NumberedEvent, Watchers } from './watchers.ts'

export interface JobsParts {
  readonly queue: QueuePort
  readonly history: History
  readonly dispatcher: Dispatcher
  readonly watchers: Watchers
}

/** A job with its place: 0 runs, 1 is next; null when it has ended. `eta` in seconds from now, null when it cannot be told. */
export interface Placed extends Summary {
  readonly position: number | null
  readonly eta: number | null
}

/** A job with all that is known of it. */
export interface Detailed extends Placed {
  readonly nodes: Readonly<Record<string, NodeProgress>>
  readonly outputs: Readonly<Record<string, unknown>>
  readonly prompt: Readonly<Record<string, unknown>>
  readonly extraData: Readonly<Record<string, unknown>>
}

export type Where = { readonly number: number } | { readonly to: 'front' | 'back' } | { readonly before: string }

/** What was asked cannot be done with the job as it is now. */
export class JobStateError extends Error {
  override readonly name = 'JobStateError'
}

const live = (job: Job, status: Status, started: number | null): Summary => ({
  id: job.promptId,
  status,
  number: job.number,
  created: createdOf(job.extraData),
  started,
  ended: null,
  error: null,
  outputsCount: 0,
  preview: null,
  workflowId: workflowIdOf(job.extraData),
})

export class Jobs {
  readonly #parts: JobsParts
  readonly #finished: FinishedJobs
  readonly #estimates = new Estimates()

  constructor(parts: JobsParts) {
    this.#parts = parts
    this.#finished = new FinishedJobs(parts.history)
    // Later, and of what ran: the prompt has to be read for it.
    parts.watchers.onEnd(({ job, times }) => {
      if (times.ran) setImmediate(() => this.#estimates.learn(promptOf(job), times.all))
    })
    parts.watchers.askWith(async (id) => parts.history.has(id) || (await parts.queue.has(id)))
  }

  /** Finished jobs, oldest first. */
  finished(): Summary[] {
    return this.#finished.list()
  }

  /** Jobs that run or wait, in the order they end. */
  async unfinished(): Promise<(Placed & { readonly job: Job })[]> {
    const { running, pending } = await this.#parts.queue.list()
    const [first] = this.#parts.dispatcher.line
    const begun = running.filter(({ promptId }) => promptId === first?.job.promptId)
    const waiting = [...running.filter((job) => !begun.includes(job)), ...pending].sort(byTurn)
    const ahead = begun.length
    let eta: number | null = 0
    return [...begun, ...waiting].map((job, index) => {
      const isRunning = index < ahead && first !== undefined
      const prompt = promptOf(job)
      const own = isRunning ? this.#estimates.left(prompt, first.times) : this.#estimates.whole(prompt)
      eta = eta === null || own === null ? null : eta + own
      const shown = this.isPaused && !isRunning ? null : eta
      const summary = live(job, isRunning ? 'in_progress' : 'pending', isRunning ? first.startedAt : null)
      return { ...summary, job, position: isRunning ? 0 : index - ahead + 1, eta: shown }
    })
  }

  /** Null for a job that is not known. */
  async find(id: string): Promise<Detailed | null> {
    if (await this.#parts.queue.has(id)) {
      const found = (await this.unfinished()).find((one) => one.id === id)
      if (found) {
        const { job, ...placed } = found
        const record = this.#parts.dispatcher.line.find((one) => one.job.promptId === id)
        const [nodes, outputs] = [record?.times.all ?? {}, record?.outputs ?? {}]
        return { ...placed, nodes, outputs, prompt: promptOf(job), extraData: job.extraData }
      }
    }
    const entry = this.#parts.history.get(id)
    const summary = this.#finished.get(id)
    if (!entry || !summary) return null
    const { outputs, prompt } = entry
    const posted = prompt[2] as Detailed['prompt']
    return {
      ...summary,
      position: null,
      eta: null,
      nodes: this.#parts.history.nodesOf(id),
      outputs,
      prompt: posted,
      extraData: prompt[3],
    }
  }

  /** Stops a job that runs, or takes one out that waits and writes down that it was cancelled. False when it has ended or is unknown. */
  async cancel(id: string): Promise<boolean> {
    const { queue, dispatcher, history, watchers } = this.#parts
    const staged = dispatcher.line.slice(1).find(({ job }) => job.promptId === id)
    const job = staged?.job ?? (await queue.list()).pending.find(({ promptId }) => promptId === id)
    if (!(await this.drop(id))) return false
    if (!job) return true
    const record = new JobRecord(job)
    const place = { node_id: null, node_type: '', executed: [], timestamp: Date.now() }
    record.note({ type: 'execution_interrupted', data: { prompt_id: id, ...place } })
    history.add(id, record.entryText('interrupted'), record.beside)
    watchers.ended(record)
    return true
  }

  /** As cancel, but of a job that waited nothing is left: what clients of ComfyUI expect. */
  async drop(id: string): Promise<boolean> {
    const { queue, dispatcher } = this.#parts
    if (dispatcher.interrupt(id)) return true
    const isStaged = dispatcher.isStaged(id)
    if (isStaged) dispatcher.withdraw((one) => one === id)
    // It may have begun meanwhile.
    else if ((await queue.remove([id])).length === 0) return dispatcher.interrupt(id)
    dispatcher.tellStatus()
    return true
  }

  /** Gives a job that waits another place. Throws JobStateError when it does not wait. */
  async move(id: string, where: Where): Promise<void> {
    const { queue, dispatcher } = this.#parts
    if (dispatcher.isStaged(id)) {
      dispatcher.rearranged()
      throw new JobStateError(`The job '${id}' is about to run; ask again if it still waits.`)
    }
    const { pending } = await queue.list()
    if (
      !(await queue.move(
        id,
        numberFor(
          where,
          pending.filter(({ promptId }) => promptId !== id),
        ),
      ))
    )
      throw new JobStateError(`The job '${id}' does not wait, so it has no place to change.`)
    dispatcher.rearranged()
  }

  get isPaused(): boolean {
    return this.#parts.queue.isPaused
  }

  async pause(paused: boolean): Promise<void> {
    await this.#parts.queue.setPaused(paused)
    this.#parts.dispatcher.rearranged()
  }

  /** Resolves when the job has ended, after `seconds`, or with the signal, whichever is first. */
  async wait(id: string, seconds: number, signal: AbortSignal): Promise<void> {
    if (seconds <= 0 || signal.aborted || !(await this.#parts.queue.has(id))) return
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        stop()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, seconds * 1000)
      const stop = this.#parts.watchers.follow(id, Infinity, { hear: () => undefined, end: done })
      signal.addEventListener('abort', done, { once: true })
    })
  }

  /** Follows the events of a job after the one numbered `after`. Returns how to stop. */
  follow(id: string, after: number, hear: (event: NumberedEvent) => void, end: () => void): () => void {
    return this.#parts.watchers.follow(id, after, { hear, end })
  }
}

/** The number that puts a job there among those that wait. */
function numberFor(where: Where, waiting: readonly Job[]): number {
  if ('number' in where) return where.number
  const [first, last] = [waiting[0]?.number ?? 0, waiting.at(-1)?.number ?? 0]
  if ('to' in where) return where.to === 'front' ? first - 1 : last + 1
  const at = waiting.findIndex(({ promptId }) => promptId === where.before)
  const next = waiting[at]
  if (!next) throw new JobStateError(`The job '${where.before}' does not wait, so nothing can go before it.`)
  const previous = waiting[at - 1]
  return previous ? (previous.number + next.number) / 2 : next.number - 1
}
