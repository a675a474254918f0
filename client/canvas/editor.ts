/** The editor's canvas as the rest of the client sees it: open, read, undo, fit, and show what a run does. */
import type { FileReference, PreviewFrame } from '../sdk/heddle.ts'
import { parseJson, stringifyJson } from '../sdk/json.ts'
import type { NodeTypes } from '../model/node-types.ts'
import { shownNode, type Runs } from '../model/runs.ts'
import { afterGenerate, type Scalar } from '../model/widgets.ts'
import { emptyWorkflow, parseWorkflow, type Workflow } from '../model/workflow.ts'
import { NodeClipboard } from './clipboard.ts'
import { bounds, Commands, type OpenWire } from './commands.ts'
import { loadInto, nodesOf, workflowJson, type Frame } from './document.ts'
import { editTitle, pressField, uploadInto, type FieldHost } from './field-editing.ts'
import { History } from './history.ts'
import {
  LGraph,
  type CanvasPointerEvent,
  type ConnectionMenu,
  type LGraphNode,
  type LLink,
  type Point,
} from './library.ts'
import { canvasMenu, linkMenu, nodeMenu, searchNodes } from './node-menus.ts'
import { GraphNode, type Workbench } from './node.ts'
import { Pictures } from './pictures.ts'
import { Surface, type SurfaceHost } from './surface.ts'
import { MEASURE } from './theme.ts'
import { addTooltips } from './tooltip.ts'
import { addTouch } from './touch.ts'

export interface EditorHost {
  /** The workflow differs from what it was before the last gesture. */
  changed(): void
  fail(message: string): void
  upload(file: File): Promise<string>
  showPictures(files: readonly FileReference[]): void
}

export class Editor implements SurfaceHost, Workbench, FieldHost {
  readonly surface: Surface
  readonly pictures: Pictures
  readonly commands: Commands
  private readonly graph = new LGraph()
  private readonly host: EditorHost
  private readonly runs: Runs
  private readonly history: History
  private types: NodeTypes = new Map()
  private readonly clipboard = new NodeClipboard()

  constructor(canvas: HTMLCanvasElement, runs: Runs, host: EditorHost) {
    this.runs = runs
    this.host = host
    this.pictures = new Pictures(() => this.redraw())
    this.surface = new Surface(canvas, this.graph, this)
    this.commands = new Commands(this.surface, this, emptyWorkflow(), () => this.changed())
    this.history = new History(this.snapshot())
    // Moving, wiring and resizing end with a release of the pointer; what has changed is found by comparison.
    canvas.ownerDocument.addEventListener('pointerup', () => setTimeout(() => this.changed(), 0))
    addTooltips(this.surface)
    addTouch(this.surface, (x, y) => this.menuAt(x, y))
    new ResizeObserver(() => this.surface.fill()).observe(canvas.parentElement!)
  }

  // --- the workflow ----------------------------------------------------------

  setTypes(types: NodeTypes): void {
    this.types = types
    this.commands.types = types
  }

  private get frame(): Frame {
    return this.commands.frame
  }

  /** Opens a workflow; the states of the last run belong to another one and go. */
  open(workflow: Workflow): void {
    this.runs.clear()
    this.pictures.clearPreviews()
    this.surface.deselectAllNodes()
    this.commands.frame = loadInto(this.graph, workflow, this.types, this)
    this.history.reset(this.snapshot())
    this.fit()
  }

  /** The file of what is on the canvas. */
  file(): Record<string, unknown> {
    return workflowJson(this.graph, this.frame)
  }

  private snapshot(): string {
    return stringifyJson(this.file())
  }

  /** Records what the last gesture did. */
  changed(): void {
    if (!this.history.record(this.snapshot())) return
    this.host.changed()
    this.redraw()
  }

  undo(): void {
    this.restore(this.history.undo())
  }
  redo(): void {
    this.restore(this.history.redo())
  }
  get canUndo(): boolean {
    return this.history.canUndo
  }
  get canRedo(): boolean {
    return this.history.canRedo
  }

  private restore(snapshot: string | null): void {
    if (snapshot === null) return
    this.surface.deselectAllNodes()
    this.commands.frame = loadInto(this.graph, parseWorkflow(parseJson(snapshot)), this.types, this)
    this.host.changed()
  }

  get nodes(): GraphNode[] {
    return nodesOf(this.graph)
  }

  node(id: string): GraphNode | null {
    return this.nodes.find((node) => String(node.id) === shownNode(id)) ?? null
  }

  /** Moves every value with an "after generate" mode on; called once a prompt is queued. */
  advanceValues(): void {
    for (const node of this.nodes) {
      for (const [name, mode] of node.values.controls) {
        const widget = node.nodeType?.inputs.find((input) => input.name === name)?.widget
        const held = node.values.literals.get(name)
        if (widget && !node.linked(name)) node.values.literals.set(name, afterGenerate(widget, held as Scalar, mode))
      }
    }
    this.changed()
    this.redraw()
  }

  // --- the view --------------------------------------------------------------

  redraw(): void {
    this.surface.setDirty(true, false)
  }

  /** Shows the whole graph, not enlarged beyond 1:1. */
  fit(): void {
    const { surface, nodes } = this
    if (nodes.length === 0) return
    const box = bounds(nodes)
    const [width, height] = surface.viewSize
    const tall = box.height + MEASURE.titleHeight
    const margin = 36
    const scale = Math.min(1, (width - 2 * margin) / box.width, (height - 2 * margin - 24) / tall)
    surface.ds.scale = Math.max(0.1, scale)
    surface.ds.offset[0] = width / 2 / surface.ds.scale - (box.x + box.width / 2)
    surface.ds.offset[1] = height / 2 / surface.ds.scale - (box.y - MEASURE.titleHeight + tall / 2)
    surface.moved()
  }

  /** Selects a node and brings it to the middle. */
  reveal(id: string): void {
    const node = this.node(id)
    if (!node) return
    const [width, height] = this.surface.viewSize
    const { ds } = this.surface
    ds.offset[0] = width / 2 / ds.scale - (node.pos[0] + node.size[0] / 2)
    ds.offset[1] = height / 2 / ds.scale - (node.pos[1] + node.size[1] / 2)
    this.surface.selectNodes([node])
    this.surface.moved()
  }

  /** A live preview: of the node it names, else of the one that is running. */
  showPreview(frame: PreviewFrame): void {
    const id = Number(shownNode(frame.node ?? this.runs.running ?? ''))
    if (this.node(String(id))) void this.pictures.show(id, frame.picture)
  }

  // --- what nodes and fields need ---------------------------------------------

  runOf(id: number): ReturnType<Runs['of']> {
    return this.runs.of(id)
  }
  onField(node: GraphNode, row: Parameters<Workbench['onField']>[1], event: CanvasPointerEvent, pos: Point): void {
    pressField(this, node, row, event, pos)
  }
  onPicture(node: GraphNode): void {
    this.host.showPictures(node.run.images)
  }
  upload(file: File): Promise<string> {
    return this.host.upload(file)
  }
  fail(message: string): void {
    this.host.fail(message)
  }

  /** Puts a dropped picture into the upload field under the pointer; false when there is none. */
  async dropPicture(file: File, clientX: number, clientY: number): Promise<boolean> {
    const [x, y] = this.surface.toGraph(clientX, clientY)
    const node = this.graph.getNodeOnPos(x, y)
    if (!(node instanceof GraphNode)) return false
    const field = node.nodeType?.inputs.find((input) => input.widget?.kind === 'combo' && input.widget.upload)
    if (!field) return false
    await uploadInto(this, node, field.name, file)
    return true
  }

  // --- menus -------------------------------------------------------------------

  private at(event: { clientX: number; clientY: number }): { page: Point; graph: Point } {
    return { page: [event.clientX, event.clientY], graph: this.surface.toGraph(event.clientX, event.clientY) }
  }
  nodeMenu(node: LGraphNode, event: CanvasPointerEvent): void {
    this.menuAt(event.clientX, event.clientY, node)
  }
  canvasMenu(event: CanvasPointerEvent): void {
    if (event.type === 'dblclick') searchNodes(this.commands, this.at(event))
    else this.menuAt(event.clientX, event.clientY, null)
  }
  private menuAt(clientX: number, clientY: number, node?: LGraphNode | null): void {
    const at = this.at({ clientX, clientY })
    const target = node === undefined ? this.graph.getNodeOnPos(at.graph[0], at.graph[1]) : node
    if (target instanceof GraphNode)
      nodeMenu(this.commands, target, at, { rename: () => editTitle(this, target), copy: () => this.copy() })
    else canvasMenu(this.commands, at, { paste: () => void this.pasteFromSystem(at.graph), fit: () => this.fit() })
  }
  linkMenu(link: LLink, event: CanvasPointerEvent): void {
    const at = this.at(event)
    const cut = (): void => {
      this.graph.removeLink(link.id)
      this.changed()
    }
    linkMenu(link, at, { cut, reroute: () => this.reroute(link, at.graph) })
  }
  wireDropped({ nodeFrom, slotFrom, nodeTo, slotTo, e }: ConnectionMenu): void {
    const [node, slot] = nodeFrom ? [nodeFrom, slotFrom] : [nodeTo, slotTo]
    if (!(node instanceof GraphNode) || !slot) return
    const forward = nodeFrom !== undefined
    const index = forward
      ? node.outputs.findIndex((output) => output === slot)
      : node.inputs.findIndex((input) => input === slot)
    const wire: OpenWire = { node, slot: index, forward, type: slot.type }
    searchNodes(this.commands, this.at(e), wire)
  }
  renameNode(node: LGraphNode): void {
    if (node instanceof GraphNode) editTitle(this, node)
  }

  /** Opens the search for a node in the middle of the view. */
  addNode(): void {
    const rect = this.surface.canvas.getBoundingClientRect()
    const event = { clientX: rect.left + rect.width / 2 - 150, clientY: rect.top + rect.height / 4 }
    searchNodes(this.commands, this.at(event))
  }

  private reroute(link: LLink, at: Point): void {
    const type = this.types.get('Reroute')
    const source = this.node(String(link.origin_id))
    const target = this.node(String(link.target_id))
    if (!type || !source || !target) return
    const node = this.commands.add(type, [at[0] - 35, at[1] - 13])
    source.connect(link.origin_slot, node, 0)
    node.connect(0, target, link.target_slot)
    this.changed()
  }

  // --- clipboard ---------------------------------------------------------------

  copy(): void {
    this.clipboard.write(this.commands.copy())
  }

  private async pasteFromSystem(at: Point): Promise<void> {
    this.paste(await this.clipboard.read(), at)
  }

  /** Pastes nodes from a text, by default in the middle of the view; false when the text holds none. */
  paste(text: string, at: Point = this.surface.centre): boolean {
    try {
      return this.commands.paste(text, at)
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error))
      return true
    }
  }
}
