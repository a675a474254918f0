/** Editing a field: steps and drags on numbers, real text fields laid over the canvas, menus for choices. */
import { accept, CONTROL_MODES, shown, stepped, type NumberWidget, type Scalar, type Widget } from '../model/widgets.ts'
import type { FieldRow } from './layout.ts'
import type { CanvasPointerEvent, Point } from './library.ts'
import { openMenu } from './menu.ts'
import type { GraphNode } from './node.ts'
import type { Surface } from './surface.ts'
import { MEASURE } from './theme.ts'

export interface FieldHost {
  readonly surface: Surface
  /** A literal has changed: one step of undo. */
  changed(): void
  upload(file: File): Promise<string>
  fail(message: string): void
}

/** Pixels of a drag for one step of a number. */
const DRAG_PER_STEP = 5
const ARROW = 24

function put(host: FieldHost, node: GraphNode, name: string, value: Scalar): void {
  node.values.literals.set(name, value)
  host.surface.setDirty(true, false)
}

/** A text field over the row; Enter or leaving it keeps the text, Escape does not. */
function editText(
  host: FieldHost,
  place: { x: number; y: number; width: number; height: number },
  options: { value: string; name: string; multiline: boolean; keep: (text: string) => boolean },
): void {
  const { surface } = host
  const field = document.createElement(options.multiline ? 'textarea' : 'input')
  const [left, top] = surface.toPage(place.x, place.y)
  const { scale } = surface.ds
  field.className = 'field-editor'
  field.ariaLabel = options.name
  field.value = options.value
  field.spellcheck = false
  const width = Math.max(place.width * scale, 120)
  Object.assign(field.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${width}px`,
    height: `${Math.max(place.height * scale, 26)}px`,
    fontSize: `${Math.max(12, 12 * scale)}px`,
  })
  let done = false
  const close = (keep: boolean): void => {
    if (done) return
    if (keep && !options.keep(field.value)) {
      field.ariaInvalid = 'true'
      field.focus()
      return
    }
    done = true
    field.remove()
    surface.canvas.focus({ preventScroll: true })
    if (keep) host.changed()
  }
  field.addEventListener('keydown', (event) => {
    const { key, ctrlKey, metaKey } = event as KeyboardEvent
    const enter = key === 'Enter' && (!options.multiline || ctrlKey || metaKey)
    // Ctrl+Enter keeps the text and then goes on to queue the workflow.
    if (!(enter && (ctrlKey || metaKey))) event.stopPropagation()
    if (key === 'Escape') close(false)
    else if (enter) close(true)
  })
  field.addEventListener('blur', () => {
    // Leaving with something unreadable drops it instead of holding the person there.
    close(true)
    if (!done) close(false)
  })
  document.body.append(field)
  setTimeout(() => {
    field.focus()
    if (!options.multiline) field.select()
  }, 0)
}

/** A number with all its digits, or whatever text stands in its place. */
const exact = (held: unknown): string =>
  typeof held === 'number' || typeof held === 'bigint' || typeof held === 'string' ? String(held) : ''

function editValue(host: FieldHost, node: GraphNode, row: FieldRow, widget: Widget): void {
  const { name } = row.input
  const held = node.values.literals.get(name)
  editText(
    host,
    { x: node.pos[0] + row.x, y: node.pos[1] + row.y, width: row.width, height: row.height },
    {
      value: widget.kind === 'number' ? exact(held) : shown(widget, held),
      name: `${node.title}: ${name}`,
      multiline: widget.kind === 'text' && widget.multiline,
      keep(text) {
        const value = accept(widget, text)
        if (value === null) return false
        put(host, node, name, value)
        return true
      },
    },
  )
}

/** A press on a number: its arrows step, a drag scrubs, a plain click edits. */
function pressNumber(
  host: FieldHost,
  node: GraphNode,
  row: FieldRow,
  widget: NumberWidget,
  x: number,
  start: PointerEvent,
): void {
  const { name } = row.input
  const held = (): Scalar => node.values.literals.get(name) as Scalar
  const side = x < row.x + ARROW ? -1 : x > row.x + row.width - ARROW ? 1 : 0
  if (side !== 0) {
    put(host, node, name, stepped(widget, held(), side * (start.shiftKey ? 10 : 1)))
    host.changed()
    return
  }
  const from = held()
  let moved = 0
  const move = (event: PointerEvent): void => {
    const ticks = Math.trunc((event.clientX - start.clientX) / DRAG_PER_STEP)
    if (ticks !== moved) put(host, node, name, stepped(widget, from, ticks * (event.shiftKey ? 10 : 1)))
    moved = ticks
  }
  const up = (): void => {
    document.removeEventListener('pointermove', move)
    document.removeEventListener('pointerup', up, true)
    document.removeEventListener('pointercancel', up, true)
    if (moved === 0 && node.values.literals.get(name) === from) editValue(host, node, row, widget)
    else host.changed()
  }
  document.addEventListener('pointermove', move)
  document.addEventListener('pointerup', up, true)
  document.addEventListener('pointercancel', up, true)
}

function below(host: FieldHost, node: GraphNode, row: FieldRow): { x: number; y: number; minWidth: number } {
  const [x, y] = host.surface.toPage(node.pos[0] + row.x, node.pos[1] + row.y + row.height + 2)
  return { x, y, minWidth: row.width * host.surface.ds.scale }
}

function choose(
  host: FieldHost,
  node: GraphNode,
  row: FieldRow,
  choices: readonly Scalar[],
  held: unknown,
  keep: (value: Scalar) => void,
): void {
  openMenu({
    ...below(host, node, row),
    name: row.input.name,
    items: choices.map((choice) => ({
      label: String(choice),
      checked: choice === held,
      choose() {
        keep(choice)
        host.surface.setDirty(true, false)
        host.changed()
      },
    })),
  })
}

/** Asks for a picture, uploads it, and selects it in the field and for every node that lists the same folder. */
function askForUpload(host: FieldHost, node: GraphNode, row: FieldRow): void {
  const input = document.createElement('input')
  input.type = 'file'
  input.accept = 'image/png,image/jpeg,image/webp,image/gif,image/avif,image/tiff'
  input.addEventListener('change', () => {
    const file = input.files?.[0]
    if (file) void uploadInto(host, node, row.input.name, file)
  })
  input.click()
}

/** Uploads `file` and selects it in the node's field. */
export async function uploadInto(host: FieldHost, node: GraphNode, name: string, file: File): Promise<void> {
  const widget = node.nodeType?.inputs.find((input) => input.name === name)?.widget
  if (widget?.kind !== 'combo') return
  try {
    const stored = await host.upload(file)
    // The list of the class is shared by its nodes; the new file belongs in it without asking the server again.
    if (!widget.choices.includes(stored)) (widget.choices as Scalar[]).push(stored)
    put(host, node, name, stored)
    host.changed()
  } catch (error) {
    host.fail(error instanceof Error ? error.message : String(error))
  }
}

/** A press on a field, at `pos` within the node. */
export function pressField(
  host: FieldHost,
  node: GraphNode,
  row: FieldRow,
  event: CanvasPointerEvent,
  pos: Point,
): void {
  const { widget, name } = row.input
  if (!widget || event.button !== 0) return
  const held = node.values.literals.get(name)
  if (row.part === 'upload') {
    askForUpload(host, node, row)
  } else if (row.part === 'control') {
    const { controls } = node.values
    choose(host, node, row, CONTROL_MODES, controls.get(name), (mode) =>
      controls.set(name, mode as (typeof CONTROL_MODES)[number]),
    )
  } else if (widget.kind === 'combo') {
    choose(host, node, row, widget.choices, held, (value) => node.values.literals.set(name, value))
  } else if (widget.kind === 'toggle') {
    put(host, node, name, held !== true)
    host.changed()
  } else if (widget.kind === 'number') {
    pressNumber(host, node, row, widget, pos[0], event)
  } else editValue(host, node, row, widget)
}

/** Renames a node in place. */
export function editTitle(host: FieldHost, node: GraphNode): void {
  editText(
    host,
    { x: node.pos[0], y: node.pos[1] - MEASURE.titleHeight, width: node.size[0], height: MEASURE.titleHeight },
    {
      value: node.title,
      name: 'Title of the node',
      multiline: false,
      keep(text) {
        node.title = text.trim() === '' ? (node.nodeType?.title ?? node.title) : text.trim().slice(0, 200)
        node.grow()
        host.surface.setDirty(true, true)
        return true
      },
    },
  )
}
