/** The jobs that an engine was given, one running at a time; those behind it may be taken back. */
import type { RunRequest } from './protocol.ts'

/** Milliseconds that a job takes at most to count as short: after a longer one, waiting messages are read before the next starts. */
const SHORT = 5

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class Line {
  readonly #run: (job: RunRequest, signal: AbortSignal) => Promise<void>
  readonly #waiting: RunRequest[] = []
  #running: { readonly promptId: string; readonly abort: AbortController } | null = null

  constructor(run: (job: RunRequest, signal: AbortSignal) => Promise<void>) {
    this.#run = run
  }

  get isBusy(): boolean {
    return this.#running !== null
  }

  add(job: RunRequest): void {
    this.#waiting.push(job)
    if (!this.#running) void this.#go()
  }

  /** Cancels the job if it is the one that runs. */
  cancel(promptId: string): void {
    if (this.#running?.promptId === promptId) this.#running.abort.abort(new Error('interrupted'))
  }

  /** Takes back all jobs that have not started, and tells which. */
  recall(): readonly string[] {
    return this.#waiting.splice(0).map(({ promptId }) => promptId)
  }

  async #go(): Promise<void> {
    for (let job = this.#waiting.shift(); job; job = this.#waiting.shift()) {
      const abort = new AbortController()
      this.#running = { promptId: job.promptId, abort }
      const started = performance.now()
      await this.#run(job, abort.signal)
      if (this.#waiting.length === 0 || performance.now() - started < SHORT) continue
      // Messages are read between two turns: a job that was taken back meanwhile must not start.
      await turn()
      await turn()
    }
    this.#running = null
  }
}
