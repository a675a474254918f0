/** The parent's side of the engine: forks it, restarts it when it dies, and turns its messages into promises. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { Batcher } from './batcher.ts'
import { deathOf, EngineDiedError, KillCount } from './death.ts'
import { heapRoom } from './heap.ts'
import type { Pending, Running, SupervisorOptions } from './supervision.ts'
import { Questions } from './questions.ts'
import { readMark, type Mark } from './pace.ts'
import {
  readFromEngine,
  type ObjectInfo,
  type Outcome,
  type RunRequest,
  type ToEngine,
  type Verdict,
} from './protocol.ts'

/** The job did not start: its engine ended over another one, or it was asked back. */
export class NotStartedError extends Error {
  override readonly name = 'NotStartedError'
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

const MAIN = join(import.meta.dirname, 'main.ts')
const TSX = import.meta.resolve('tsx')
/** An engine that dies before it is ready is tried again ever later, up to this many milliseconds. */
const MAX_BACKOFF = 5000
/** Engines that a question is put to before it is given up. */
const MAX_ASKED = 3
/** Characters: the reason of a full heap stands before a long trace. */
const STDERR_KEPT = 16_000

export class Supervisor {
  readonly #options: SupervisorOptions
  #child: ChildProcess | null = null
  #ready: Promise<ChildProcess>
  #announce: Pending<ChildProcess> | null = null
  readonly #questions = new Questions()
  readonly #kills = new KillCount()
  /** Who waits for jobs that were asked back. */
  readonly #recalls: (() => void)[] = []
  /** Jobs that were handed over, in the order they run. */
  readonly #line = new Map<string, Running>()
  #failedStarts = 0
  /** Whether the engine of this moment has said that it is ready. */
  #up = false
  #stopping = false
  #stderr = ''
  #mark: Mark | null = null
  #problems: readonly string[] = []
  /** True from the wish for a new engine until there is one. */
  #renewal = false
  #channel: Batcher<ToEngine> | null = null

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#ready = this.#fork()
  }

  objectInfo(): Promise<ObjectInfo> {
    return this.#ask((id) => ({ kind: 'objectInfo', id })) as Promise<ObjectInfo>
  }

  /** Checks the prompt under `prompt` in an object, which is given as JSON that has been read once. */
  validate(posted: string, targets: readonly string[] | null): Promise<Verdict> {
    return this.#ask((id) => ({ kind: 'validate', id, posted, targets })) as Promise<Verdict>
  }

  /**
   * Runs a job to its end; its events go to `onEvents` before this resolves. Jobs that are given while another runs follow it in order.
   * Throws EngineDiedError when the engine dies over it, NotStartedError when it did not get that far.
   */
  run(job: RunRequest): Promise<Outcome> {
    return new Promise<Outcome>((resolve, reject) => {
      const running: Running = { job, sent: false, cancelled: null, resolve, reject }
      this.#line.set(job.promptId, running)
      const begin = (child: ChildProcess) => {
        // It may have been cancelled while the engine was starting.
        if (this.#line.get(job.promptId) !== running || this.#child !== child) return
        running.sent = true
        this.#kills.note()
        this.#send(child, { kind: 'run', job })
      }
      // In the order of the calls: all wait for the same promise, or for none.
      if (this.#up && this.#child) begin(this.#child)
      else
        this.#ready.then(begin, (error: unknown) => {
          if (this.#line.get(job.promptId) === running) this.#line.delete(job.promptId)
          reject(asError(error))
        })
    })
  }

  /** Asks for all jobs back that have not started; they end with NotStartedError, and then this resolves. */
  recall(): Promise<void> {
    const child = this.#child
    if (!child) return Promise.resolve()
    return new Promise((resolve) => {
      this.#recalls.push(resolve)
      this.#send(child, { kind: 'recall' })
    })
  }

  /** Asks a running job to stop; kills its engine if it has not within the grace time. The job then ends 'interrupted'. */
  cancel(promptId: string): void {
    const running = this.#line.get(promptId)
    if (!running || running.cancelled) return
    if (!running.sent || !this.#child) {
      this.#end(promptId, 'interrupted')
      return
    }
    const child = this.#child
    this.#send(child, { kind: 'cancel', promptId })
    running.cancelled = setTimeout(() => child.kill('SIGKILL'), this.#options.grace)
  }

  /** Drops memoised results (`memory`) and closes models between two jobs. */
  free(what: { readonly models: boolean; readonly memory: boolean }): void {
    if (this.#child) this.#send(this.#child, { kind: 'free', ...what })
  }

  /** The node of this prompt that the last engine was running when it died, if it is known. */
  marked(promptId: string): string | null {
    return this.#mark?.promptId === promptId ? this.#mark.nodeId : null
  }

  /** Starts a new engine, with the node files of today, as soon as no job is at work. */
  renew(): void {
    this.#renewal = true
    if (this.#line.size > 0 || !this.#child) return
    this.#send(this.#child, { kind: 'stop' })
  }

  /** Why node files were left out when the engine started. */
  get problems(): readonly string[] {
    return this.#problems
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    this.#send(child, { kind: 'stop' })
    const late = setTimeout(() => child.kill('SIGKILL'), 2000)
    await gone
    clearTimeout(late)
  }

  #fork(): Promise<ChildProcess> {
    const ready = new Promise<ChildProcess>((resolve, reject) => (this.#announce = { resolve, reject }))
    ready.catch(() => undefined)
    const child = fork(MAIN, [], {
      execArgv: [heapRoom(), '--import', TSX],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    this.#channel = new Batcher((messages) => {
      if (child.connected) child.send(messages)
    })
    this.#stderr = ''
    // stdout belongs to results (`heddle run --json`): whatever a node prints goes to stderr.
    child.stdout?.on('data', (text: Buffer) => process.stderr.write(text))
    child.stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-STDERR_KEPT)
      process.stderr.write(text)
    })
    child.on('message', (raw) => (Array.isArray(raw) ? raw : [raw]).forEach((message) => this.#receive(child, message)))
    child.on('error', (error) => this.#options.onNotice(`engine: ${error.message}`))
    child.once('exit', (code, signal) => this.#died(child, signal ?? `exit code ${code ?? 'unknown'}`))
    this.#send(child, { kind: 'init', init: this.#options.init })
    return ready
  }

  #send(child: ChildProcess, message: ToEngine): void {
    if (child === this.#child) this.#channel?.post(message)
  }

  #receive(child: ChildProcess, raw: unknown): void {
    const message = readFromEngine(raw)
    if (!message) {
      this.#options.onNotice('engine: a message that is not part of the protocol was ignored')
      return
    }
    switch (message.kind) {
      case 'ready':
        this.#failedStarts = 0
        this.#up = true
        this.#problems = message.problems
        this.#options.onReady?.()
        for (const problem of message.problems) this.#options.onNotice(problem)
        this.#announce?.resolve(child)
        return
      case 'answer':
        this.#questions.answer(message.id, message.value, message.error)
        return
      case 'recalled':
        for (const promptId of message.promptIds) {
          const running = this.#line.get(promptId)
          this.#line.delete(promptId)
          running?.reject(new NotStartedError('it was asked back'))
        }
        this.#recalls.shift()?.()
        return
      case 'events':
        if (this.#line.has(message.promptId)) this.#options.onEvents(message.promptId, message.events)
        return
      case 'done':
        if (!this.#line.has(message.promptId)) return
        this.#options.onEvents(message.promptId, message.events)
        this.#end(message.promptId, message.outcome)
    }
  }

  #end(promptId: string, outcome: Outcome): void {
    const running = this.#line.get(promptId)
    if (!running) return
    this.#line.delete(promptId)
    if (running.cancelled) clearTimeout(running.cancelled)
    this.#options.onDone?.(promptId, outcome)
    running.resolve(outcome)
    if (this.#renewal) this.renew()
  }

  #died(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    this.#child = null
    const { markFile } = this.#options.init
    this.#mark = markFile === null ? null : readMark(markFile)
    const error = deathOf(how, this.#stderr, this.#kills)
    this.#up = false
    this.#endAll(error)
    this.#questions.failAll(error)
    for (const resolve of this.#recalls.splice(0)) resolve()
    if (this.#stopping) return this.#announce?.reject(error)
    this.#restart(error)
  }

  /** The engine is gone: one job may be the reason, the others have not started or are to be run again. */
  #endAll(error: EngineDiedError): void {
    const jobs = [...this.#line.values()]
    const marked = jobs.find(({ job }) => job.promptId === this.#mark?.promptId) ?? jobs[0]
    for (const running of jobs) {
      const { promptId } = running.job
      if (running.cancelled) {
        this.#end(promptId, 'interrupted')
        continue
      }
      this.#line.delete(promptId)
      running.reject(running === marked ? error : new NotStartedError(error.message))
    }
  }

  /** A new engine at once; if it does not even start, later and later, and those who wait are told. */
  #restart(error: EngineDiedError): void {
    const waiting = this.#announce
    this.#options.onNotice(
      this.#renewal ? 'node files have changed: a new engine starts' : `${error.message}; starting a new one`,
    )
    this.#renewal = false
    const delay = this.#failedStarts === 0 ? 0 : Math.min(MAX_BACKOFF, 250 * 2 ** this.#failedStarts)
    this.#failedStarts++
    waiting?.reject(error)
    this.#ready = new Promise((resolve, reject) => {
      setTimeout(() => {
        if (this.#stopping) reject(error)
        else this.#fork().then(resolve, reject)
      }, delay).unref()
    })
    this.#ready.catch(() => undefined)
  }

  /** Asks the engine. Dying over a job is no answer to another question, so that is asked again of the next engine. */
  async #ask(make: (id: number) => ToEngine): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        const child = await this.#ready
        return await this.#questions.ask((id) => this.#send(child, make(id)))
      } catch (error) {
        if (!(error instanceof EngineDiedError) || this.#stopping || attempt === MAX_ASKED) throw error
      }
    }
  }
}
