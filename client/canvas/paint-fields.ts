/** Draws the fields of a node: numbers, texts, switches, choices and buttons. */
import { shown, type Widget } from '../model/widgets.ts'
import type { FieldRow } from './layout.ts'
import type { GraphNode } from './node.ts'
import { FONT, THEME } from './theme.ts'

const RADIUS = 5

function pill(ctx: CanvasRenderingContext2D, row: FieldRow, border: string): void {
  ctx.beginPath()
  ctx.roundRect(row.x, row.y, row.width, row.height, RADIUS)
  ctx.fillStyle = THEME.field
  ctx.fill()
  ctx.strokeStyle = border
  ctx.lineWidth = 1
  ctx.stroke()
}

const widths = new Map<string, number>()
/** Measuring text is the slowest part of drawing; the same words come again every frame. */
function widthOf(ctx: CanvasRenderingContext2D, text: string): number {
  const key = `${ctx.font}|${text}`
  let width = widths.get(key)
  if (width === undefined) {
    if (widths.size > 5000) widths.clear()
    widths.set(key, (width = ctx.measureText(text).width))
  }
  return width
}

/** `text` cut to fit `width`, with an ellipsis. */
export function clip(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  if (text.length > 400) text = text.slice(0, 400)
  if (widthOf(ctx, text) <= width) return text
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (widthOf(ctx, `${text.slice(0, middle)}…`) <= width) low = middle
    else high = middle - 1
  }
  return `${text.slice(0, low)}…`
}

/** Breaks text into lines of `width`, at most `most` of them; the last one ends in an ellipsis when there is more. */
export function wrap(ctx: CanvasRenderingContext2D, text: string, width: number, most: number): string[] {
  const lines: string[] = []
  for (const paragraph of text.slice(0, 4000).split('\n')) {
    let line = ''
    for (const word of paragraph.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`
      if (line !== '' && widthOf(ctx, longer) > width) {
        lines.push(line)
        line = word
      } else line = longer
      if (lines.length > most) break
    }
    lines.push(line)
    if (lines.length > most) break
  }
  const kept = lines.slice(0, most).map((line) => clip(ctx, line, width))
  if (lines.length > most && kept.length > 0) kept[most - 1] = clip(ctx, `${kept[most - 1] ?? ''} …`, width)
  return kept
}

function label(ctx: CanvasRenderingContext2D, row: FieldRow, text: string, value: string, inset: number): void {
  const middle = row.y + row.height / 2
  ctx.font = FONT.label
  ctx.textBaseline = 'middle'
  ctx.textAlign = 'right'
  ctx.fillStyle = THEME.text
  const room = row.width - 2 * inset
  const words = clip(ctx, value, Math.max(room * 0.45, room - widthOf(ctx, text) - 14))
  ctx.fillText(words, row.x + row.width - inset, middle)
  ctx.textAlign = 'left'
  ctx.fillStyle = THEME.label
  ctx.fillText(clip(ctx, text, room - widthOf(ctx, words) - 8), row.x + inset, middle)
}

function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, direction: 'left' | 'right' | 'down'): void {
  ctx.beginPath()
  if (direction === 'down') {
    ctx.moveTo(x - 4, y - 2)
    ctx.lineTo(x + 4, y - 2)
    ctx.lineTo(x, y + 3)
  } else {
    const way = direction === 'left' ? -1 : 1
    ctx.moveTo(x - 2 * way, y - 4)
    ctx.lineTo(x + 3 * way, y)
    ctx.lineTo(x - 2 * way, y + 4)
  }
  ctx.fillStyle = THEME.dim
  ctx.fill()
}

function longText(ctx: CanvasRenderingContext2D, row: FieldRow, value: string, placeholder: string): void {
  const lineHeight = 16
  ctx.save()
  ctx.beginPath()
  ctx.rect(row.x, row.y, row.width, row.height)
  ctx.clip()
  ctx.font = FONT.label
  ctx.textAlign = 'left'
  ctx.textBaseline = 'top'
  ctx.fillStyle = value === '' ? THEME.dim : THEME.text
  const most = Math.max(1, Math.floor((row.height - 10) / lineHeight))
  wrap(ctx, value === '' ? placeholder : value, row.width - 18, most).forEach((line, i) =>
    ctx.fillText(line, row.x + 9, row.y + 8 + i * lineHeight),
  )
  ctx.restore()
}

function toggle(ctx: CanvasRenderingContext2D, row: FieldRow, on: boolean): void {
  const [x, y] = [row.x + row.width - 30, row.y + row.height / 2]
  ctx.beginPath()
  ctx.roundRect(x, y - 6, 22, 12, 6)
  ctx.fillStyle = on ? THEME.running : THEME.fieldBorder
  ctx.fill()
  ctx.beginPath()
  ctx.arc(x + (on ? 16 : 6), y, 4.5, 0, Math.PI * 2)
  ctx.fillStyle = THEME.text
  ctx.fill()
}

/** A value together with the sign that tells what a click does. */
function value(ctx: CanvasRenderingContext2D, row: FieldRow, widget: Widget, held: unknown): void {
  const middle = row.y + row.height / 2
  switch (widget.kind) {
    case 'text':
      if (widget.multiline)
        longText(ctx, row, typeof held === 'string' ? held : '', widget.placeholder || row.input.name)
      else label(ctx, row, row.input.name, shown(widget, held), 10)
      break
    case 'number':
      label(ctx, row, row.input.name, shown(widget, held), 22)
      triangle(ctx, row.x + 11, middle, 'left')
      triangle(ctx, row.x + row.width - 11, middle, 'right')
      break
    case 'toggle':
      label(ctx, { ...row, width: row.width - 28 }, row.input.name, shown(widget, held), 10)
      toggle(ctx, row, held === true)
      break
    case 'combo':
      label(ctx, { ...row, width: row.width - 12 }, row.input.name, shown(widget, held), 10)
      triangle(ctx, row.x + row.width - 11, middle, 'down')
      break
  }
}

function button(ctx: CanvasRenderingContext2D, row: FieldRow, text: string): void {
  ctx.font = FONT.label
  ctx.textAlign = 'center'
  ctx.textBaseline = 'middle'
  ctx.fillStyle = THEME.text
  ctx.fillText(text, row.x + row.width / 2, row.y + row.height / 2)
}

function paintField(ctx: CanvasRenderingContext2D, node: GraphNode, row: FieldRow): void {
  const widget = row.input.widget
  if (!widget) return
  const linked = row.part === 'value' && node.linked(row.input.name)
  const faulty = node.run.faults.some((fault) => fault.input === row.input.name)
  const before = ctx.globalAlpha
  if (linked) ctx.globalAlpha = before * 0.45
  pill(ctx, row, faulty ? THEME.error : THEME.fieldBorder)
  if (row.part === 'control') label(ctx, row, 'after generate', node.values.controls.get(row.input.name) ?? 'fixed', 10)
  else if (row.part === 'upload') button(ctx, row, 'Upload a picture…')
  else value(ctx, row, widget, node.values.literals.get(row.input.name))
  ctx.globalAlpha = before
}

/** Draws every field of a node. */
export function paintFields(ctx: CanvasRenderingContext2D, node: GraphNode, rows: readonly FieldRow[]): void {
  for (const row of rows) paintField(ctx, node, row)
  ctx.textBaseline = 'alphabetic'
  ctx.textAlign = 'left'
}
