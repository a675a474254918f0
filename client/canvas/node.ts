/** A node on the canvas: its class, its literals, what the last run did to it, and the hooks that draw and edit it. */
import type { NodeRun } from '../model/runs.ts'
import type { NodeType } from '../model/node-types.ts'
import { socketsOf, type SoundNode } from '../model/reconcile.ts'
import { defaults, readValues, type Values } from '../model/values.ts'
import { threads } from '../model/weave.ts'
import { contains, layoutNested, layoutNode, leastSize, type Extras, type FieldRow, type NodeLayout } from './layout.ts'
import { LGraphNode, type CanvasPointerEvent, type Point } from './library.ts'
import { paintFields } from './paint-fields.ts'
import { paintFrame, paintPlaceholder, paintRun } from './paint-run.ts'
import type { Pictures } from './pictures.ts'
import { MEASURE, THEME, typeColor } from './theme.ts'

/** What nodes share: the states of the last run, pictures, and where clicks on fields go. */
export interface Workbench {
  runOf(id: number): NodeRun
  readonly pictures: Pictures
  onField(node: GraphNode, row: FieldRow, event: CanvasPointerEvent, pos: Point): void
  onPicture(node: GraphNode): void
}

const BYPASSED = 4
const MUTED = 2

export class GraphNode extends LGraphNode {
  readonly nodeType: NodeType | null
  readonly values: Values
  /** The file's own entry, for a class that this server does not have. */
  readonly original: SoundNode | null
  private readonly bench: Workbench
  override readonly onMouseDown: (event: CanvasPointerEvent, pos: Point) => boolean
  override readonly onDrawForeground: (ctx: CanvasRenderingContext2D) => void
  override readonly onDrawBackground: (ctx: CanvasRenderingContext2D) => void

  constructor(name: string, nodeType: NodeType | null, bench: Workbench, saved: SoundNode | null) {
    super(saved?.title ?? nodeType?.title ?? name)
    this.type = name
    this.nodeType = nodeType
    this.bench = bench
    this.original = nodeType ? null : saved
    this.values = nodeType ? (saved ? readValues(nodeType, saved.widgets_values) : defaults(nodeType)) : emptyValues()
    this.onMouseDown = (event, pos) => this.press(event, pos)
    this.onDrawForeground = (ctx) => this.paint(ctx)
    this.onDrawBackground = (ctx) => paintFrame(ctx, this, this.run)
    if (saved) this.restore(saved)
    else this.addSockets(nodeType)
    this.boxcolor = typeColor(this.outputs[0]?.type ?? this.inputs[0]?.type ?? '*')
    this.grow(saved?.size ?? [0, 0])
  }

  get run(): NodeRun {
    return this.bench.runOf(this.id)
  }

  get pictures(): Pictures {
    return this.bench.pictures
  }

  private restore(saved: SoundNode): void {
    this.id = saved.id
    this.pos = [saved.pos[0], saved.pos[1]]
    this.flags = { ...saved.flags }
    this.mode = saved.mode
    this.order = saved.order
    this.properties = { ...saved.properties }
    if (saved.color !== undefined) this.color = saved.color
    if (saved.bgcolor !== undefined) this.bgcolor = saved.bgcolor
    this.inputs = saved.inputs.map((input) => ({ ...input, link: input.link ?? null, label: labelOf(input) }))
    this.outputs = saved.outputs.map((output) => ({
      ...output,
      links: [...(output.links ?? [])],
      label: output.label ?? output.name,
    }))
  }

  private addSockets(type: NodeType | null): void {
    this.inputs = type ? socketsOf(type).map((input) => ({ ...input, link: null, label: labelOf(input) })) : []
    this.outputs = type
      ? type.outputs.map(({ name, type: kind }) => ({ name, type: kind, links: [], label: name }))
      : []
  }

  /** Sizes the node to `wanted`, but never below what its parts need. */
  grow(wanted: readonly [number, number] = this.size): void {
    const least = this.computeSize()
    this.size = [Math.max(least[0], wanted[0]), Math.max(least[1], wanted[1])]
    this.place()
  }

  override computeSize(): Point {
    if (!this.nodeType) return [Math.max(190, Math.min(300, this.title.length * 7 + 60)), this.layout.needed]
    if (this.isReroute) return [70, 26]
    return leastSize(this.nodeType, this.title, this.extras)
  }

  override setSize(size: Point): void {
    this.grow(size)
  }

  /** The title as it fits beside the time at the right; litegraph draws it without looking at the width. */
  override getTitle(): string {
    const room = Math.max(8, Math.floor((this.size[0] - 84) / 7.4))
    return this.title.length > room ? `${this.title.slice(0, room - 1)}…` : this.title
  }

  /** The server has no such class, and the workflow no subgraph or group of that name. */
  get isMissing(): boolean {
    return !this.nodeType && this.original?.known !== true
  }

  /** A class without fields and with one wildcard each way is drawn as a bend in a wire. */
  get isReroute(): boolean {
    return this.nodeType?.category === 'editor' && this.nodeType.inputs[0]?.type === '*'
  }

  private get extras(): Extras {
    const { weave, images } = this.run
    return {
      threads: weave ? threads(weave).length : 0,
      media: images.length > 0 || this.pictures.preview(this.id) !== null || this.chosenPicture() !== null,
    }
  }

  /** The picture that an upload field has selected. */
  chosenPicture(): { filename: string; subfolder: string; type: string } | null {
    for (const input of this.nodeType?.inputs ?? []) {
      const widget = input.widget
      const value = this.values.literals.get(input.name)
      if (widget?.kind === 'combo' && widget.upload && typeof value === 'string' && widget.choices.includes(value))
        return { filename: value, subfolder: '', type: widget.folder }
    }
    return null
  }

  get layout(): NodeLayout {
    const size: [number, number] = [this.size[0], this.size[1]]
    return this.nodeType
      ? layoutNode(this.nodeType, size, this.extras)
      : layoutNested(Math.max(this.inputs.length, this.outputs.length), size, this.extras)
  }

  /** Puts the sockets of fields beside their fields. */
  place(): void {
    const rows = this.layout.rows.filter((row) => row.part === 'value')
    for (const input of this.inputs) {
      const row = rows.find((candidate) => candidate.input.name === input.widget?.name)
      if (!row) continue
      input.pos = [10, row.y + Math.min(row.height, MEASURE.rowHeight) / 2]
      input.color_off = THEME.fieldBorder
    }
  }

  linked(name: string): boolean {
    return this.inputs.some((input) => input.name === name && input.link !== null)
  }

  private paint(ctx: CanvasRenderingContext2D): void {
    if (this.flags.collapsed) return
    if (this.size[1] < this.layout.needed) this.grow()
    const layout = this.layout
    ctx.save()
    if (this.mode === MUTED || this.mode === BYPASSED) ctx.globalAlpha = 0.4
    if (this.nodeType) paintFields(ctx, this, layout.rows)
    else paintPlaceholder(ctx, this)
    paintRun(ctx, this, layout)
    ctx.restore()
  }

  private press(event: CanvasPointerEvent, pos: Point): boolean {
    if (this.flags.collapsed || pos[1] < 0) return false
    const { rows, media } = this.layout
    const row = rows.find((candidate) => contains(candidate, pos[0], pos[1]))
    if (row && !(row.part === 'value' && this.linked(row.input.name))) {
      this.bench.onField(this, row, event, pos)
      return true
    }
    if (media && contains(media, pos[0], pos[1]) && event.detail >= 2) {
      this.bench.onPicture(this)
      return true
    }
    return false
  }
}

const emptyValues = (): Values => ({ literals: new Map(), controls: new Map() })
/** Fields draw their own names; the socket beside them needs none. */
const labelOf = (input: { name: string; label?: string | undefined; widget?: unknown }): string =>
  input.widget ? '' : (input.label ?? input.name)

export { BYPASSED, MUTED }
