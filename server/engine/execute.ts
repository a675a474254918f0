/** Runs one prompt: what is memoised is taken, what is ready runs, and clients hear of it in ComfyUI's order. */
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import type { Files, Models, RunContext } from '../../nodes/define.ts'
import type { Lists } from '../../nodes/spec.ts'
import { invoke, type CallSite } from './call.ts'
import { errorEvent, interruptedEvent } from './failure.ts'
import { walk } from './graph.ts'
import { keysOf, type Memo, type Result } from './memo.ts'
import type { Emitter } from './outbox.ts'
import { plan, type Plan } from './plan.ts'
import { ProgressBoard } from './progress.ts'
import type { Outcome, RunJob } from './protocol.ts'
import type { Registry } from './registry.ts'
import { NodeReporter } from './report.ts'

/** Milliseconds of node code after which waiting messages (cancel) are let in. */
const YIELD_AFTER = 10

export interface Engine {
  readonly registry: Registry
  readonly memo: Memo
  readonly files: Files
  readonly models: Models
  readonly lists: Lists
  readonly metadata: boolean
  readonly previewSize: number
}

/** What ended the run, and at which node; nodes above that node have not run. */
class Stopped extends Error {
  readonly nodeId: string
  constructor(nodeId: string, cause: unknown) {
    super('stopped', { cause })
    this.nodeId = nodeId
  }
}

class Run {
  readonly #engine: Engine
  readonly #job: RunJob
  readonly #emitter: Emitter
  /** Aborted from outside, or as soon as one node has failed: then the others need not go on. */
  readonly #abort = new AbortController()
  readonly #cancelled: AbortSignal
  readonly #aborted: Promise<never>
  readonly #board: ProgressBoard
  readonly #results = new Map<string, Result>()
  readonly #working = new Map<string, Promise<void>>()
  readonly #executed: string[] = []
  #keys: ReadonlyMap<string, string> = new Map()
  #heavyBusy = false
  #current: string | null = null

  constructor(engine: Engine, job: RunJob, emitter: Emitter, signal: AbortSignal) {
    this.#engine = engine
    this.#job = job
    this.#emitter = emitter
    this.#cancelled = signal
    this.#aborted = new Promise((_, reject) =>
      this.#abort.signal.addEventListener('abort', () => reject(this.#abort.signal.reason as Error)),
    )
    this.#aborted.catch(() => undefined)
    const onAbort = () => this.#abort.abort(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    this.#board = new ProgressBoard(job.promptId, emitter)
  }

  async outcome(): Promise<Outcome> {
    this.#event('execution_start', { timestamp: Date.now() })
    try {
      await this.#all(await this.#begin())
      this.#board.close()
      this.#event('execution_success', { timestamp: Date.now() })
      return 'success'
    } catch (error) {
      this.#board.close()
      const outcome = this.#fail(error)
      this.#emitter.flush()
      this.#abort.abort(new Error('another node of this prompt has failed'))
      await Promise.allSettled(this.#working.values())
      return outcome
    }
  }

  #event(type: string, data: Readonly<Record<string, unknown>>): void {
    this.#emitter.emit({ type, data: { prompt_id: this.#job.promptId, ...data } })
  }

  #node(id: string) {
    const node = this.#job.prompt[id]!
    return { node, registered: this.#engine.registry.nodes.get(node.class_type)! }
  }

  /** Finds what the memo holds, says so, and plans the rest. */
  async #begin(): Promise<Plan> {
    const { prompt, outputs } = this.#job
    const { memo, registry, files } = this.#engine
    const order = walk(prompt, outputs).order
    this.#keys = await keysOf(prompt, order, registry, files)
    memo.keepOnly(new Set(this.#keys.values()))
    for (const id of order) {
      const result = memo.get(this.#keys.get(id)!)
      if (result) this.#results.set(id, result)
    }
    const cached = Object.keys(prompt).filter((id) => this.#results.has(id))
    this.#event('execution_cached', { nodes: cached, timestamp: Date.now() })
    for (const id of cached) this.#repeatReports(id)
    for (const id of outputs) {
      const ui = this.#results.get(id)?.ui
      if (ui) this.#showResult(id, ui)
    }
    return plan(prompt, outputs, registry, (id) => this.#results.has(id))
  }

  /** A sampler that is kept from before has its report told again: the new result is made of its samples. */
  #repeatReports(id: string): void {
    const at = this.#node(id).registered.outputTypes.indexOf('CACHE_REPORT')
    if (at < 0) return
    const reporter = this.#reporter(id)
    for (const report of this.#results.get(id)?.outputs[at] ?? []) reporter.repeat(report as CacheReport)
  }

  #showResult(id: string, ui: NonNullable<Result['ui']>): void {
    this.#event('executed', { node: id, display_node: id, output: ui })
    this.#board.finish(id)
  }

  async #all(steps: Plan): Promise<void> {
    let since = Date.now()
    for (;;) {
      this.#abort.signal.throwIfAborted()
      const id = steps.next(this.#heavyBusy)
      if (id !== undefined) this.#start(id, steps)
      else if (this.#working.size > 0) await Promise.race([this.#aborted, ...this.#working.values()])
      else return
      if (Date.now() - since > YIELD_AFTER) {
        await new Promise((resolve) => setImmediate(resolve))
        since = Date.now()
      }
    }
  }

  /** Starts a node; a synchronous one is finished when this returns. */
  #start(id: string, steps: Plan): void {
    const known = this.#engine.memo.get(this.#keys.get(id)!)
    if (known) {
      // A twin with the same key ran a moment ago.
      this.#results.set(id, known)
      if (known.ui) this.#showResult(id, known.ui)
      steps.finish(id)
      return
    }
    this.#current = id
    this.#board.start(id)
    this.#event('executing', { node: id, display_node: id })
    this.#emitter.flush()
    const reporter = this.#reporter(id)
    try {
      const result = invoke(this.#site(id), this.#context(id, reporter))
      if (result instanceof Promise) this.#watch(id, result, reporter, steps)
      else this.#finish(id, result, steps)
    } catch (error) {
      throw new Stopped(id, error)
    }
  }

  #reporter(id: string): NodeReporter {
    const { previewSize } = this.#engine
    const shared = { emitter: this.#emitter, board: this.#board, signal: this.#abort.signal, previewSize }
    return new NodeReporter(id, { promptId: this.#job.promptId, ...shared })
  }

  #context(id: string, report: NodeReporter): RunContext {
    const { files, models, metadata } = this.#engine
    return { nodeId: id, signal: this.#abort.signal, report, files, models, metadata }
  }

  #site(id: string): CallSite {
    const resultOf = (from: string) => this.#results.get(from)
    return { id, ...this.#node(id), job: this.#job, lists: this.#engine.lists, resultOf }
  }

  /** Takes up an asynchronous node again when it ends; others go on meanwhile. */
  #watch(id: string, result: Promise<Result>, reporter: NodeReporter, steps: Plan): void {
    const { heavy } = this.#node(id).registered
    if (heavy) this.#heavyBusy = true
    const work = result
      .then(async (value) => {
        await reporter.settle()
        if (!this.#abort.signal.aborted) this.#finish(id, value, steps)
      })
      .catch((error: unknown) => {
        throw error instanceof Stopped ? error : new Stopped(id, error)
      })
      .finally(() => {
        if (heavy) this.#heavyBusy = false
        this.#working.delete(id)
      })
    // Failures are met by the race in #all, or, once the run has ended, by allSettled.
    work.catch(() => undefined)
    this.#working.set(id, work)
  }

  #finish(id: string, result: Result, steps: Plan): void {
    this.#results.set(id, result)
    this.#executed.push(id)
    this.#engine.memo.set(this.#keys.get(id)!, result)
    if (result.ui) this.#event('executed', { node: id, display_node: id, output: result.ui })
    this.#board.finish(id)
    steps.finish(id)
  }

  #fail(error: unknown): Outcome {
    const id = error instanceof Stopped ? error.nodeId : ([...this.#working.keys()][0] ?? this.#current)
    const place = { id, type: id === null ? '' : this.#job.prompt[id]!.class_type, executed: this.#executed }
    if (this.#cancelled.aborted) {
      this.#event('execution_interrupted', interruptedEvent(place))
      return 'interrupted'
    }
    const site = id === null ? null : this.#site(id)
    this.#event('execution_error', errorEvent(place, error instanceof Stopped ? error.cause : error, site))
    return 'error'
  }
}

/** Runs a prompt to its end and tells how it ended; never throws. Nothing of the run is emitted after its terminal event. */
export const execute = (engine: Engine, job: RunJob, emitter: Emitter, signal: AbortSignal): Promise<Outcome> =>
  new Run(engine, job, emitter, signal).outcome()
