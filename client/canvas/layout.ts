/** Where the parts of a node stand: fields, weave and picture. Pure arithmetic, shared by drawing and by clicks. */
import type { InputType, NodeType } from '../model/node-types.ts'
import { widgetInputs } from '../model/values.ts'
import { MEASURE } from './theme.ts'

export interface Rect {
  x: number
  y: number
  width: number
  height: number
}
export interface FieldRow extends Rect {
  readonly input: InputType
  /** The literal itself, its "after generate" choice, or the upload button. */
  readonly part: 'value' | 'control' | 'upload'
}
export interface NodeLayout {
  readonly rows: readonly FieldRow[]
  readonly weave: Rect | null
  readonly media: Rect | null
  /** Least height that holds everything. */
  readonly needed: number
}
/** What a run added to the node. */
export interface Extras {
  /** Lines of the weave; 0 = none. */
  readonly threads: number
  readonly media: boolean
  /** Sockets at the left beyond those of the class (variadic nodes). */
  readonly moreInputs?: number
}

const isLong = (input: InputType): boolean => input.widget?.kind === 'text' && input.widget.multiline

function rowsOf(type: NodeType): { input: InputType; part: FieldRow['part'] }[] {
  return widgetInputs(type).flatMap((input) => [
    { input, part: 'value' as const },
    ...(input.widget?.control ? [{ input, part: 'control' as const }] : []),
    ...(input.widget?.kind === 'combo' && input.widget.upload ? [{ input, part: 'upload' as const }] : []),
  ])
}

/** Lines of sockets above the fields. */
const socketLines = (type: NodeType, more: number): number =>
  Math.max(type.inputs.filter((input) => !input.widget).length + more, type.outputs.length)

const weaveHeight = (threads: number): number => Math.min(6, threads) * MEASURE.threadHeight

/** Lays out a node of a class within `size`; spare height goes to the picture, else to long texts. */
export function layoutNode(type: NodeType, size: readonly [number, number], extras: Extras): NodeLayout {
  const width = size[0] - MEASURE.left - MEASURE.right
  const fields = rowsOf(type)
  const long = fields.filter(({ input, part }) => part === 'value' && isLong(input)).length
  const top = socketLines(type, extras.moreInputs ?? 0) * MEASURE.slotHeight + 8
  const fixed = fields.length * (MEASURE.rowHeight + MEASURE.rowGap) + long * (MEASURE.textHeight - MEASURE.rowHeight)
  const weave = extras.threads > 0 ? weaveHeight(extras.threads) + 10 : 0
  const needed = top + fixed + weave + (extras.media ? MEASURE.mediaHeight : 0) + 6
  const spare = Math.max(0, size[1] - needed)
  const perText = extras.media || long === 0 ? 0 : spare / long

  let y = top
  const rows = fields.map(({ input, part }): FieldRow => {
    const height = part === 'value' && isLong(input) ? MEASURE.textHeight + perText : MEASURE.rowHeight
    const row = { input, part, x: MEASURE.left, y, width, height }
    y += height + MEASURE.rowGap
    return row
  })
  const threads = weave > 0 ? { x: MEASURE.left, y: y + 4, width, height: weave - 10 } : null
  y += weave
  const media = extras.media ? { x: 8, y: y + 4, width: size[0] - 16, height: Math.max(40, size[1] - y - 12) } : null
  return { rows, weave: threads, media, needed }
}

/** Lays out a node without a class of its own, a subgraph or group: below its sockets what a run shows, then a line of words. */
export function layoutNested(sockets: number, size: readonly [number, number], extras: Extras): NodeLayout {
  const width = size[0] - MEASURE.left - MEASURE.right
  const top = sockets * MEASURE.slotHeight + 8
  const weave = extras.threads > 0 ? weaveHeight(extras.threads) + 10 : 0
  const needed = top + weave + (extras.media ? MEASURE.mediaHeight : 0) + MEASURE.rowHeight + 12
  const threads = weave > 0 ? { x: MEASURE.left, y: top + 4, width, height: weave - 10 } : null
  const y = top + weave
  const height = Math.max(40, size[1] - y - MEASURE.rowHeight - 12)
  return { rows: [], weave: threads, media: extras.media ? { x: 8, y, width: size[0] - 16, height } : null, needed }
}

/** A longer title does not widen its node: it is cut. */
const TITLE_ROOM = 300

/** The least size of a node of this class: fields readable, titles and socket names side by side. */
export function leastSize(type: NodeType, title: string, extras: Extras): [number, number] {
  const text = (words: string): number => words.length * 6.8
  const left = Math.max(0, ...type.inputs.filter((input) => !input.widget).map((input) => text(input.name)))
  const right = Math.max(0, ...type.outputs.map((output) => text(output.name)))
  const width = Math.max(
    MEASURE.minWidth,
    left + right + 56,
    Math.min(TITLE_ROOM, text(title) + 54),
    widgetInputs(type).length > 0 || extras.media ? MEASURE.fieldsWidth : 0,
  )
  return [Math.round(width), Math.round(layoutNode(type, [width, 0], extras).needed)]
}

export const contains = (rect: Rect, x: number, y: number): boolean =>
  x >= rect.x && x <= rect.x + rect.width && y >= rect.y && y <= rect.y + rect.height

/** The largest rectangle of the picture's proportions inside `box`, centred. */
export function fitInside(box: Rect, width: number, height: number): Rect {
  const scale = Math.min(box.width / width, box.height / height)
  const [w, h] = [width * scale, height * scale]
  return { x: box.x + (box.width - w) / 2, y: box.y + (box.height - h) / 2, width: w, height: h }
}
