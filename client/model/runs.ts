/** What a run did to each node: filled from the server's events, read by the canvas and the panels. */
import type { FileReference, Proposal, ServerEvent } from '../sdk/heddle.ts'
import { addRows, type WeaveRun } from './weave.ts'

export interface NodeFault {
  readonly message: string
  /** The input at fault, if the server named one. */
  readonly input: string | null
}

/** The state of one node, kept while the page is open. */
export interface NodeRun {
  running: boolean
  cached: boolean
  progress: { value: number; max: number } | null
  faults: NodeFault[]
  warnings: string[]
  images: readonly FileReference[]
  texts: readonly string[]
  /** Values that the node proposes for the nodes before it. */
  proposals: readonly Proposal[]
  weave: WeaveRun | null
  /** Runs of the same prompt before the one in `weave`: some nodes sample more than once. */
  earlier: readonly WeaveRun[]
  /** Prompt that the weave belongs to. */
  weavePrompt: string | null
  startedAt: number | null
  seconds: number | null
}

const fresh = (): NodeRun => ({
  running: false,
  cached: false,
  progress: null,
  faults: [],
  warnings: [],
  images: [],
  texts: [],
  proposals: [],
  weave: null,
  earlier: [],
  weavePrompt: null,
  startedAt: null,
  seconds: null,
})

/** Node of the workflow that an id of the prompt belongs to: '5:6' is node 6 inside node 5. */
export const shownNode = (id: string): string => id.split(':')[0] ?? id

/** The states by node id, and what the prompt as a whole is doing. */
export class Runs {
  private readonly byId = new Map<string, NodeRun>()
  /** Prompt whose events are shown. */
  prompt: string | null = null
  running: string | null = null
  /** Last sampling run that reported decisions, for the report panel. */
  latestWeave: string | null = null

  of(id: string | number): NodeRun {
    const key = shownNode(String(id))
    let run = this.byId.get(key)
    if (!run) this.byId.set(key, (run = fresh()))
    return run
  }

  /** Nodes that have sampled. */
  get samplers(): string[] {
    return [...this.byId].flatMap(([id, run]) => (run.weave ? [id] : []))
  }

  /** Forgets everything: another workflow was opened. */
  clear(): void {
    this.byId.clear()
    this.prompt = this.running = this.latestWeave = null
  }

  /** Before a prompt is sent: faults of the last one no longer hold. */
  clearFaults(): void {
    for (const run of this.byId.values()) Object.assign(run, { faults: [], warnings: [] })
  }

  /** Takes one event; `now` in milliseconds. */
  apply(event: ServerEvent, now: number): void {
    switch (event.type) {
      case 'execution_start':
        this.start(event.data.prompt_id)
        break
      case 'execution_cached':
        for (const id of event.data.nodes) this.of(id).cached = true
        break
      case 'executing':
        this.enter(
          event.data.node === null ? null : (event.data.display_node ?? event.data.node),
          event.data.prompt_id ?? null,
          now,
        )
        break
      case 'progress':
        if (event.data.node != null)
          this.of(event.data.node).progress = { value: event.data.value, max: event.data.max }
        break
      case 'executed':
        this.finish(event.data.display_node ?? event.data.node, event.data.output)
        break
      case 'execution_error':
        this.of(event.data.node_id).faults = [{ message: event.data.exception_message.trim(), input: null }]
        this.stop(now)
        break
      case 'execution_success':
      case 'execution_interrupted':
        this.stop(now)
        break
      case 'heddle.cache':
        this.weave(event.data)
        break
      case 'heddle.sampled':
        this.sampled(event.data)
        break
      case 'heddle.warning':
        if (event.data.node != null) this.warn(event.data.node, event.data.message)
        break
      case 'status':
      case 'progress_state':
      case 'other':
        break
    }
  }

  private start(prompt: string): void {
    this.prompt = prompt
    for (const run of this.byId.values())
      Object.assign(run, { running: false, cached: false, progress: null, faults: [], warnings: [], seconds: null })
  }

  private enter(id: string | null, prompt: string | null, now: number): void {
    this.stop(now)
    this.running = id === null ? null : shownNode(id)
    if (id === null) return
    if (prompt !== null) this.prompt = prompt
    Object.assign(this.of(id), { running: true, startedAt: now, progress: null, seconds: null })
  }

  private stop(now: number): void {
    for (const run of this.byId.values()) {
      if (!run.running) continue
      Object.assign(run, {
        running: false,
        progress: null,
        seconds: run.startedAt === null ? null : (now - run.startedAt) / 1000,
      })
    }
    this.running = null
  }

  private finish(id: string, output: Extract<ServerEvent, { type: 'executed' }>['data']['output']): void {
    const run = this.of(id)
    if (output.images) run.images = output.images
    if (output.text) run.texts = output.text
    run.proposals = output.heddle_settings ?? []
  }

  private weave(data: Extract<ServerEvent, { type: 'heddle.cache' }>['data']): void {
    const run = this.of(data.node)
    const known = run.weavePrompt === data.prompt_id ? run.weave : null
    const goesOn = known?.index === data.run.index
    if (known && !goesOn) run.earlier = [...run.earlier, known]
    if (!known) run.earlier = []
    run.weave = addRows({ ...data.run, rows: goesOn ? known.rows : [], end: null }, data.rows)
    run.weavePrompt = data.prompt_id
    this.latestWeave = shownNode(data.node)
  }

  /** The sums of a run whose rows came before. */
  private sampled(data: Extract<ServerEvent, { type: 'heddle.sampled' }>['data']): void {
    const run = this.of(data.node)
    if (!run.weave || run.weavePrompt !== data.prompt_id || run.weave.index !== data.index) return
    const { seconds, totalFlops, warnings, memory } = data
    run.weave = { ...run.weave, end: { seconds, totalFlops, warnings, ...(memory ? { memory } : {}) } }
  }

  private warn(id: string, message: string): void {
    const run = this.of(id)
    if (!run.warnings.includes(message)) run.warnings = [...run.warnings, message]
  }
}
