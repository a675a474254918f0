/** The application: what is open, what is queued, what came of it, and every action a panel can ask for. */
import { toPrompt } from '../formats/workflow/to-prompt.ts'
import { Editor } from './canvas/editor.ts'
import { EDITOR_TYPES, parseNodeTypes, type NodeTypes } from './model/node-types.ts'
import { advanced, entered, secondsLeft, type Progress } from './model/progress.ts'
import { Runs } from './model/runs.ts'
import { isWorkflow, parseWorkflow } from './model/workflow.ts'
import { fromPrompt } from './model/from-prompt.ts'
import { Reports } from './reports.ts'
import { HeddleError, type Connection, type FileReference, type HistoryItem } from './sdk/heddle.ts'
import type { PromptFault, ServerEvent, Socket, SocketHandlers } from './sdk/heddle.ts'
import { readQueue, server, submit, type Queue } from './server.ts'
import { Shelf } from './shelf.ts'

/** A line for the log and, while it is new, for the toast. */
export interface Note {
  readonly at: Date
  readonly kind: 'info' | 'error'
  readonly text: string
}

const MAX_NOTES = 200
const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Session id kept for this tab, so that a reload meets its own running prompt again. */
function sessionId(): string {
  const kept = sessionStorage.getItem('heddle.session')
  if (kept !== null && /^[0-9a-f]{32}$/.test(kept)) return kept
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  sessionStorage.setItem('heddle.session', id)
  return id
}

export class App extends EventTarget {
  readonly runs = new Runs()
  readonly editor: Editor
  readonly shelf: Shelf
  readonly reports = new Reports(this)
  connection: Connection = 'connecting'
  queue: Queue = { running: [], pending: [] }
  history: readonly HistoryItem[] = []
  faults: readonly PromptFault[] = []
  notes: readonly Note[] = []
  progress: Progress | null = null
  /** Pictures shown large, and which of them. */
  viewer: { files: readonly FileReference[]; index: number } | null = null
  ready = false
  private types: NodeTypes = EDITOR_TYPES
  private objectInfo: object = {}
  private socket: Socket | null = null
  private refreshing = false
  private stale = false
  private pendingUpdate = false

  constructor(canvas: HTMLCanvasElement) {
    super()
    this.editor = new Editor(canvas, this.runs, {
      changed: () => this.shelf.edited(),
      fail: (text) => this.note('error', text),
      upload: (file) => server.upload(file, file.name),
      showPictures: (files) => this.view(files, 0),
    })
    this.shelf = new Shelf(this)
  }

  /** Panels draw themselves again, at most once per frame. */
  update(): void {
    if (this.pendingUpdate) return
    this.pendingUpdate = true
    requestAnimationFrame(() => {
      this.pendingUpdate = false
      this.dispatchEvent(new Event('change'))
    })
  }

  note(kind: Note['kind'], text: string): void {
    const note: Note = { at: new Date(), kind, text }
    this.notes = [note, ...this.notes].slice(0, MAX_NOTES)
    this.dispatchEvent(new CustomEvent('note', { detail: note }))
    this.update()
  }

  /** Runs an action of a panel; what goes wrong is said, not thrown. */
  attempt(action: () => Promise<void> | void): void {
    Promise.resolve()
      .then(action)
      .catch((error: unknown) => this.note('error', message(error)))
  }

  async start(): Promise<void> {
    await this.loadTypes()
    await this.shelf.openFirst()
    this.ready = true
    const handlers: SocketHandlers = {
      event: (event) => this.received(event),
      preview: (frame) => this.editor.showPreview(frame),
      connected: (again) => this.attempt(() => this.connected(again)),
      state: (connection) => {
        this.connection = connection
        this.update()
      },
    }
    this.socket = server.connect(handlers, sessionId())
    this.update()
  }

  private async loadTypes(): Promise<void> {
    const info = await server.objectInfo()
    const { types, faults } = parseNodeTypes(info)
    if (typeof info === 'object' && info !== null) this.objectInfo = info
    this.types = new Map([...types, ...EDITOR_TYPES])
    this.editor.setTypes(this.types)
    for (const fault of faults) this.note('error', `A node class of the server cannot be used: ${fault}`)
  }

  /** After a break: the events that were missed are read as states. */
  private async connected(again: boolean): Promise<void> {
    if (again) {
      this.note('info', 'Connected again.')
      this.progress = null
    }
    await this.refresh()
  }

  /** Reads queue and history anew; calls that come meanwhile are answered by one more reading. */
  async refresh(): Promise<void> {
    if (this.refreshing) {
      this.stale = true
      return
    }
    this.refreshing = true
    try {
      do {
        this.stale = false
        ;[this.queue, this.history] = await Promise.all([readQueue(), server.history.newest(), this.reports.refresh()])
        // `stale` is set by calls made during the await.
      } while (this.stale as boolean)
    } finally {
      this.refreshing = false
      this.update()
    }
  }

  private received(event: ServerEvent): void {
    this.runs.apply(event, performance.now())
    switch (event.type) {
      case 'status':
        this.attempt(() => this.refresh())
        break
      case 'executing':
        this.entered(event.data.display_node ?? event.data.node)
        break
      case 'progress':
        this.advanced(event.data.node ?? null, event.data.value, event.data.max)
        break
      case 'execution_success':
        this.note('info', 'Finished.')
        break
      case 'execution_interrupted':
        this.note('info', 'Cancelled.')
        break
      case 'execution_error':
        this.faults = [{ node: event.data.node_id, input: null, message: event.data.exception_message.trim() }]
        this.note('error', `${this.titleOf(event.data.node_id)}: ${event.data.exception_message.trim()}`)
        break
      case 'heddle.warning':
        this.note('info', event.data.message)
        break
      case 'execution_start':
      case 'execution_cached':
      case 'executed':
      case 'progress_state':
      case 'heddle.cache':
      case 'heddle.sampled':
      case 'other':
        break
    }
    this.editor.redraw()
    this.update()
  }

  titleOf(id: string): string {
    return this.editor.node(id)?.title ?? `Node ${id}`
  }

  private entered(node: string | null): void {
    this.progress = node === null ? null : entered(node, this.titleOf(node), performance.now())
  }

  private advanced(node: string | null, value: number, max: number): void {
    const id = node ?? this.runs.running
    if (id === null) return
    const now = performance.now()
    const before = this.progress?.node === id ? this.progress : entered(id, this.titleOf(id), now)
    this.progress = advanced(before, value, max, now)
  }

  /** Seconds left of the running node, by its pace so far; null before there is one. */
  get secondsLeft(): number | null {
    return this.progress && secondsLeft(this.progress, performance.now())
  }

  // --- actions -----------------------------------------------------------------

  /** Queues the workflow as it stands; faults go onto the nodes that caused them. */
  async run(): Promise<void> {
    this.runs.clearFaults()
    this.reports.close()
    this.faults = []
    const file = this.editor.file()
    const prompt = toPrompt(file, this.objectInfo)
    const answer = await submit(prompt, file, this.socket?.id ?? sessionId())
    this.faults = answer.faults
    for (const { node, input, message: text } of answer.faults)
      if (node !== null) this.runs.of(node).faults = [...this.runs.of(node).faults, { message: text, input }]
    if (answer instanceof HeddleError) this.note('error', answer.faults[0]?.message ?? answer.message)
    else {
      this.note('info', 'Queued.')
      this.editor.advanceValues()
    }
    this.editor.redraw()
    await this.refresh()
  }

  /** Cancels the running prompt. */
  async cancel(): Promise<void> {
    const running = this.queue.running[0]
    if (running) await this.cancelItem(running.id)
  }

  async cancelItem(id: string): Promise<void> {
    await server.cancel(id)
    await this.refresh()
  }

  async forget(id: string): Promise<void> {
    await server.history.remove([id])
    await this.refresh()
  }

  /** Opens a workflow or API prompt of any source. */
  open(json: unknown, name: string, stored: 'own' | 'shipped' | 'none' = 'none'): void {
    const workflow = isWorkflow(json) ? parseWorkflow(json) : fromPrompt(json, this.types)
    this.editor.open(workflow)
    this.reports.close()
    this.faults = []
    this.progress = null
    this.shelf.opened(name, stored)
    const missing = [...new Set(this.editor.nodes.filter((node) => node.isMissing).map((node) => node.type ?? ''))]
    if (missing.length > 0) this.note('error', `This server lacks: ${missing.join(', ')}. The nodes keep their data.`)
    this.update()
  }

  /** Writes the values that a node proposes into the nodes before it. */
  adopt(id: string): void {
    const node = this.editor.node(id)
    const titles = node ? this.editor.commands.adopt(node, this.runs.of(id).proposals) : []
    if (titles.length > 0) this.note('info', `Written into ${titles.join(', ')}.`)
    else this.note('error', 'No field takes the value: it is filled by a wire, or the node is gone.')
  }

  view(files: readonly FileReference[], index: number): void {
    this.viewer = files.length > 0 ? { files, index } : null
    this.update()
  }

  closeViewer(): void {
    this.viewer = null
    this.update()
  }
}
