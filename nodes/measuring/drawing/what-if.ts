/** Draws predictions: one column per value of the knob, one row per evaluation, and the share computed below. */
import type { PredictedRow } from '../../../diffusion/caching/replay.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { Canvas, textWidth } from './canvas.ts'
import { BACKGROUND, FAINT, INK, MARGIN, PANEL, THREAD } from './palette.ts'

/** A column: what a run is predicted to do, or did. */
export interface Column {
  readonly label: string
  readonly rows: readonly PredictedRow[]
  /** Share of a plain run's work, 0..1. */
  readonly share: number
}

export interface WhatIfPicture {
  readonly lines: readonly string[]
  readonly depth: number
  readonly evaluations: number
  /** By value of the knob, rising. */
  readonly predicted: readonly Column[]
  /** Drawn apart at the right: the prediction at the configured value, and the run itself. */
  readonly beside: readonly Column[]
  /** Evaluation at which those two part, or null. */
  readonly parted: number | null
}

const [LABEL, CURVE, GAP] = [64, 90, 26]

/** One strip per guidance branch of the first sample; a row is filled from the bottom by the share of blocks run. */
function drawColumn(canvas: Canvas, { rows }: Column, depth: number, place: Place): void {
  const own = rows.filter((row) => row.sample === 0)
  const branches = [...new Set(own.map((row) => row.branch))]
  const strip = (place.width - 1) / Math.max(1, branches.length)
  const height = Math.max(1, place.pitch - 1)
  for (const row of own) {
    const [x, y] = [place.x + branches.indexOf(row.branch) * strip, place.y + row.evaluation * place.pitch]
    canvas.fill(x, y, strip, height, PANEL)
    const share = depth > 0 ? Math.min(1, row.blocks / depth) : 0
    const filled = Math.max(share * height, 1, height / 4)
    canvas.fill(x, y + height - filled, strip, filled, THREAD[row.decision])
  }
}

interface Place {
  readonly x: number
  readonly y: number
  readonly width: number
  /** Height of one evaluation. */
  readonly pitch: number
}

/** Ticks at every fifth evaluation. */
function drawScale(canvas: Canvas, evaluations: number, top: number, pitch: number): void {
  const every = evaluations > 60 ? 20 : 5
  for (let i = 0; i < evaluations; i += every) canvas.text(MARGIN, top + i * pitch, String(i + 1), FAINT, 1)
}

/** Labels under the columns, as many as do not touch. */
function drawLabels(canvas: Canvas, columns: readonly Column[], x: number, y: number, width: number): void {
  let free = -Infinity
  columns.forEach(({ label }, i) => {
    const left = x + i * width
    if (left < free) return
    canvas.text(left, y, label, FAINT, 1)
    free = left + textWidth(label, 1) + 6
  })
}

function drawCurve(canvas: Canvas, columns: readonly Column[], x: number, top: number, width: number): void {
  canvas.fill(x, top, columns.length * width, CURVE, PANEL)
  canvas.text(MARGIN, top, '100%', FAINT, 1)
  canvas.text(MARGIN, top + CURVE - 8, '0%', FAINT, 1)
  const y = (share: number) => top + (CURVE - 3) * (1 - Math.min(1, share)) + 1
  columns.forEach(({ share }, i) => {
    const [before, at] = [columns[i - 1]?.share ?? share, x + (i + 0.5) * width]
    canvas.line(i === 0 ? at : at - width, y(before), at, y(share), INK)
  })
}

/** The picture as an IMAGE [1, H, W, 3]. */
export function drawWhatIf(picture: WhatIfPicture): Tensor {
  const { lines, depth, evaluations, predicted, beside } = picture
  const width = Math.max(8, Math.min(28, Math.floor(900 / Math.max(1, predicted.length))))
  const pitch = Math.max(3, Math.min(14, Math.floor(560 / Math.max(1, evaluations))))
  const left = MARGIN + LABEL
  const right = left + predicted.length * width + (beside.length > 0 ? GAP : 0)
  const wide = Math.max(28, width)
  const top = MARGIN + lines.length * 22 + 14
  const bottom = top + evaluations * pitch
  const total = Math.max(
    right + beside.length * (wide + 14) + 20,
    MARGIN + Math.max(...lines.map((line) => textWidth(line))),
  )
  const canvas = new Canvas(total + MARGIN, bottom + 24 + CURVE + MARGIN, BACKGROUND)
  lines.forEach((line, i) => canvas.text(MARGIN, MARGIN + i * 22, line, i === 0 ? INK : FAINT))
  drawScale(canvas, evaluations, top, pitch)
  predicted.forEach((column, i) => drawColumn(canvas, column, depth, { x: left + i * width, y: top, width, pitch }))
  beside.forEach((column, i) => {
    const x = right + i * (wide + 14)
    drawColumn(canvas, column, depth, { x, y: top, width: wide, pitch })
    canvas.text(x, bottom + 6, column.label, INK, 1)
  })
  if (picture.parted !== null && beside.length > 0)
    canvas.fill(right - 8, top + picture.parted * pitch, 5, Math.max(2, pitch - 1), INK)
  drawLabels(canvas, predicted, left, bottom + 6, width)
  drawCurve(canvas, predicted, left, bottom + 24, width)
  return canvas.image()
}
