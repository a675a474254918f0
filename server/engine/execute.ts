/** Runs one prompt: what is memoised is taken, what is ready runs, and clients hear of it in ComfyUI's order. */
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import { Blocked } from '../../nodes/define.ts'
import { after, invoke, joined, wantedInputs, type CallSite, type Part, type Values } from './call.ts'
import { draftsOf, grow } from './expand.ts'
import type { Engine } from './engine.ts'
import { blockedEvent, errorEvent, goesOn, interruptedEvent, ringAt, Stopped, stoppedAt } from './failure.ts'
import { LiveGraph, parentsFirst, walk } from './graph.ts'
import { keysOf } from './keys.ts'
import type { Result } from './memo.ts'
import type { Emitter } from './outbox.ts'
import { ProgressBoard } from './progress.ts'
import type { Outcome, RunJob } from './protocol.ts'
import { NodeReporter } from './report.ts'
import { Schedule } from './schedule.ts'
import { linkOf } from './shape.ts'

/** Milliseconds of node code after which waiting messages (cancel) are let in. */
const YIELD_AFTER = 10

class Run {
  readonly #engine: Engine
  readonly #job: RunJob
  readonly #emitter: Emitter
  /** Aborted from outside, or as soon as one node has failed: then the others need not go on. */
  readonly #abort = new AbortController()
  readonly #cancelled: AbortSignal
  readonly #aborted: Promise<never>
  readonly #graph: LiveGraph
  readonly #board: ProgressBoard
  readonly #schedule: Schedule
  readonly #results = new Map<string, Result>()
  readonly #working = new Map<string, Promise<void>>()
  /** Nodes that wait for the nodes they expanded to. */
  readonly #expanded = new Map<string, readonly Part[]>()
  readonly #executed: string[] = []
  readonly #keys = new Map<string, string>()
  #heavyBusy = false
  #current: string | null = null
  #failure: Stopped | null = null

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
    this.#graph = new LiveGraph(job.prompt)
    this.#board = new ProgressBoard(job.promptId, this.#graph, emitter)
    this.#schedule = new Schedule(this.#graph.nodes, engine.registry, (id) => this.#results.has(id))
  }

  async outcome(): Promise<Outcome> {
    this.#event('execution_start', { timestamp: Date.now() })
    try {
      await this.#begin()
      await this.#all()
      this.#board.publish()
      this.#event('execution_success', { timestamp: Date.now() })
      return 'success'
    } catch (error) {
      this.#board.publish()
      const outcome = this.#fail(error)
      this.#emitter.flush()
      this.#abort.abort(new Error('another node of this prompt has failed'))
      await Promise.allSettled(this.#working.values())
      return outcome
    } finally {
      this.#engine.memo.end(new Set(this.#executed.filter((id) => this.#job.prompt[id])))
    }
  }

  #event(type: string, data: Readonly<Record<string, unknown>>): void {
    this.#emitter.emit({ type, data: { prompt_id: this.#job.promptId, ...data } })
  }

  /** Finds what the memo holds, says so, and plans the rest. */
  async #begin(): Promise<void> {
    const { prompt, outputs } = this.#job
    const { memo, registry, files } = this.#engine
    const ids = Object.keys(prompt)
    await keysOf(prompt, walk(prompt, ids).order, registry, files, this.#keys)
    memo.begin(this.#keys.values(), (id) => prompt[id] !== undefined)
    for (const id of ids) {
      const result = memo.get(this.#keys.get(id) ?? '')
      if (result) this.#results.set(id, result)
    }
    const cached = ids.filter((id) => this.#results.has(id))
    this.#event('execution_cached', { nodes: cached, timestamp: Date.now() })
    const needed = cached.length > 0 ? new Set(walk(prompt, outputs).order) : new Set()
    for (const id of cached) if (needed.has(id)) this.#repeatReports(id)
    for (const id of outputs) {
      const ui = this.#results.get(id)?.ui
      if (ui) this.#showResult(id, ui)
    }
    this.#schedule.need(outputs)
  }

  /** A sampler that is kept from before has its report told again: the new result is made of its samples. */
  #repeatReports(id: string): void {
    const at = this.#site(id).registered.outputTypes.indexOf('CACHE_REPORT')
    if (at < 0) return
    const reporter = this.#reporter(id)
    for (const report of this.#results.get(id)?.outputs[at] ?? [])
      if (!(report instanceof Blocked)) reporter.repeat(report as CacheReport)
  }

  #showResult(id: string, output: NonNullable<Result['ui']>): void {
    const { display_node_id: display_node, parent_node_id: parent_node, real_node_id } = this.#graph.namesOf(id)
    const more = parent_node === null ? {} : { meta: { display_node, parent_node, real_node_id } }
    this.#event('executed', { node: id, display_node, output, ...more })
    this.#board.finish(id)
  }

  async #all(): Promise<void> {
    let since = Date.now()
    for (;;) {
      this.#abort.signal.throwIfAborted()
      const id = this.#schedule.next(this.#heavyBusy)
      if (id !== undefined) this.#start(id)
      else if (this.#working.size > 0) await Promise.race([this.#aborted, ...this.#working.values()])
      else break
      if (Date.now() - since > YIELD_AFTER) {
        await new Promise((resolve) => setImmediate(resolve))
        since = Date.now()
      }
    }
    // Nothing is ready and nothing works: all is done, or what is left waits for itself.
    const left = [...this.#schedule.pending]
    const added = left.find((id) => this.#graph.parentOf(id) !== null)
    if (left.length > 0) throw ringAt(added, left)
    if (this.#failure) throw this.#failure
  }

  /** Starts a node; a synchronous one is finished, or waits again, when this returns. */
  #start(id: string): void {
    this.#current = id
    try {
      const work = this.#perform(id)
      if (work) this.#watch(id, work)
    } catch (error) {
      this.#stop(stoppedAt(id, error))
    }
  }

  /** A node has failed: the run ends or, if the prompt asks for that, only what depends on the node. Nothing later is memoised. */
  #stop(failed: Stopped): void {
    if (this.#abort.signal.aborted || !goesOn(this.#job.extraData)) throw failed
    this.#failure ??= failed
    const site = this.#site(failed.nodeId)
    const place = { id: this.#graph.realOf(site.id), type: site.node.class_type, executed: this.#executed }
    this.#event('heddle.node_error', errorEvent(place, failed.cause, site))
    this.#results.set(site.id, { outputs: site.registered.outputTypes.map(() => [new Blocked()]), ui: undefined })
    this.#schedule.finish(site.id)
  }

  #perform(id: string): void | Promise<void> {
    const site = this.#site(id)
    const expanded = this.#expanded.get(id)
    if (expanded) {
      this.#expanded.delete(id)
      this.#finish(id, joined(expanded, site))
      return
    }
    // A twin with the same key may have run a moment ago.
    const known = this.#engine.memo.get(this.#keys.get(id) ?? '')
    if (known) {
      this.#results.set(id, known)
      if (known.ui) this.#showResult(id, known.ui)
      this.#schedule.finish(id)
      return
    }
    this.#announce(site)
    return this.#engine.pace.timed(site.node.class_type, () =>
      after(wantedInputs(site), (names) => {
        if (names.length === 0) return this.#call(site)
        const sources = names.map((name) => linkOf(site.node.inputs[name])?.from ?? '')
        this.#schedule.waitFor(id, sources)
      }),
    )
  }

  #announce({ id, node }: CallSite): void {
    const { pace } = this.#engine
    pace.mark(this.#job.promptId, id)
    const mayBlock = pace.mayBlock(node.class_type) || this.#emitter.isStale
    this.#board.start(id)
    if (mayBlock) this.#board.publish()
    this.#event('executing', { node: id, display_node: this.#graph.displayOf(id) })
    if (mayBlock) this.#emitter.flush()
  }

  #call(site: CallSite): void | Promise<void> {
    const { id } = site
    const reporter = this.#reporter(id)
    const parts = invoke(
      site,
      (call, undeclared) => this.#context(id, reporter, call, undeclared),
      (by) => this.#tellBlock(site, by),
    )
    if (!(parts instanceof Promise)) return this.#take(site, parts)
    return parts.then(async (all) => {
      await reporter.settle()
      if (!this.#abort.signal.aborted) await this.#take(site, all)
    })
  }

  /** A block with a message is told once, by the first node that it stops. */
  #tellBlock({ id, node }: CallSite, by: Blocked): Blocked {
    if (by.message === null) return by
    this.#event('execution_error', blockedEvent(id, node.class_type, this.#executed, by.message))
    return new Blocked()
  }

  #reporter(id: string): NodeReporter {
    const { previewSize } = this.#engine
    const shared = { emitter: this.#emitter, board: this.#board, signal: this.#abort.signal, previewSize }
    return new NodeReporter(id, { promptId: this.#job.promptId, graph: this.#graph, ...shared })
  }

  #context(nodeId: string, report: NodeReporter, call: number, undeclared: Values) {
    const { files, models, metadata } = this.#engine
    const graph = draftsOf(nodeId, call)
    return { nodeId, signal: this.#abort.signal, report, files, models, metadata, undeclared, graph }
  }

  #site(id: string): CallSite {
    const node = this.#graph.node(id)
    const registered = node && this.#engine.registry.nodes.get(node.class_type)
    if (!registered) throw new Error(`node '${id}' is not in the graph`)
    const resultOf = (from: string) => this.#results.get(from)
    return { id, node, registered, graph: this.#graph, job: this.#job, lists: this.#engine.lists, resultOf }
  }

  /** Takes up an asynchronous node again when it ends; others go on meanwhile. */
  #watch(id: string, started: Promise<void>): void {
    const { heavy } = this.#site(id).registered
    if (heavy) this.#heavyBusy = true
    const work = started
      .then(() => this.#board.publish())
      .catch((error: unknown) => this.#stop(stoppedAt(id, error)))
      .catch((failed: unknown) => this.#abort.abort(failed)) // kept, not thrown: #all may be letting messages in
      .finally(() => {
        if (heavy) this.#heavyBusy = false
        this.#working.delete(id)
      })
    this.#working.set(id, work)
  }

  /** Takes what the calls gave: outputs, or nodes that will give them. */
  #take(site: CallSite, parts: readonly Part[]): void | Promise<void> {
    if (!parts.some(({ kind }) => kind === 'expansion')) {
      this.#finish(site.id, joined(parts, site))
      return
    }
    const { id } = site
    const { registry, files } = this.#engine
    const { added, sources } = grow(this.#graph, id, parts, registry)
    this.#expanded.set(id, parts)
    // Only once the keys of what was added are there may it run.
    return keysOf(this.#graph.nodes, parentsFirst(this.#graph.nodes, added), registry, files, this.#keys).then(() => {
      if (!this.#abort.signal.aborted) this.#schedule.waitFor(id, sources)
    })
  }

  #finish(id: string, result: Result): void {
    this.#results.set(id, result)
    this.#executed.push(id)
    const under = this.#graph.parentOf(id) === null ? null : this.#graph.realOf(id)
    // What cannot be shown is an error of the node, which is not kept.
    if (result.ui) this.#showResult(id, result.ui)
    else this.#board.finish(id)
    if (!this.#failure) this.#engine.memo.set(this.#keys.get(id) ?? id, result, under)
    this.#schedule.finish(id)
  }

  #fail(error: unknown): Outcome {
    const at = error instanceof Stopped ? error.nodeId : ([...this.#working.keys()][0] ?? this.#current)
    const id = at === null ? null : this.#graph.realOf(at)
    const type = id === null ? '' : (this.#job.prompt[id]?.class_type ?? '')
    const place = { id, type, executed: this.#executed }
    if (this.#cancelled.aborted) {
      this.#event('execution_interrupted', interruptedEvent(place))
      return 'interrupted'
    }
    const site = at === null ? null : this.#site(at)
    this.#event('execution_error', errorEvent(place, error instanceof Stopped ? error.cause : error, site))
    return 'error'
  }
}

/** Runs a prompt to its end and tells how it ended; never throws. Nothing of the run is emitted after its terminal event. */
export const execute = (engine: Engine, job: RunJob, emitter: Emitter, signal: AbortSignal): Promise<Outcome> =>
  new Run(engine, job, emitter, signal).outcome()
