/** Draws a CACHE_REPORT: the weave, drift against threshold where any was measured, and time per evaluation. */
import type { CacheReport, ReportRow } from '../../../diffusion/caching/report-types.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { Canvas, textWidth } from './canvas.ts'
import { BACKGROUND, FAINT, INK, MARGIN, PANEL, THREAD } from './palette.ts'

const [LABEL, CHART] = [96, 110]

/** One strand: the rows of one sample and branch, in order of evaluation. */
interface Strand {
  readonly label: string
  readonly rows: readonly ReportRow[]
}

function strands(report: CacheReport): Strand[] {
  const byKey = new Map<string, ReportRow[]>()
  for (const row of report.rows) {
    const key = report.samples > 1 ? `${row.sample} ${row.branch}` : row.branch
    const rows = byKey.get(key)
    if (rows) rows.push(row)
    else byKey.set(key, [row])
  }
  return [...byKey].map(([label, rows]) => ({ label, rows }))
}

interface Frame {
  readonly canvas: Canvas
  readonly left: number
  readonly cell: number
}

/** Cells filled from the bottom by the share of blocks really run. Returns the y below the last strand. */
function drawWeave({ canvas, left, cell }: Frame, all: readonly Strand[], depth: number, top: number): number {
  const height = 28
  all.forEach(({ label, rows }, index) => {
    const y = top + index * (height + 6)
    canvas.text(MARGIN, y + 8, label, FAINT, 2)
    for (const row of rows) {
      const x = left + row.evaluation * cell
      canvas.fill(x + 1, y, cell - 2, height, PANEL)
      const filled = Math.max(row.blocks > 0 ? 2 : 0, (height * row.blocks) / depth)
      canvas.fill(x + 1, y + height - filled, cell - 2, filled, THREAD[row.decision])
      if (row.forced) canvas.fill(x + cell / 2 - 2, y + 3, 4, 4, BACKGROUND)
    }
  })
  return top + all.length * (height + 6)
}

function chartPanel(
  { canvas, left, cell }: Frame,
  evaluations: number,
  top: number,
  title: string,
  peak: string,
): void {
  canvas.text(MARGIN, top, title, FAINT, 2)
  canvas.fill(left, top, cell * evaluations, CHART, PANEL)
  canvas.text(left - textWidth(peak, 1) - 6, top + 2 + 16, peak, FAINT, 1)
}

/** What the drift is compared with, as the knob says; 0 where there is none, or where a preset has its own. */
function thresholdOf({ params }: CacheReport): number {
  if ((params['preset'] ?? 'custom') !== 'custom') return 0
  const value = Object.entries(params).find(([name]) => name.endsWith('threshold'))?.[1]
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** Accumulated drift per strand as a line, the threshold as a dotted one. */
function drawDrift(frame: Frame, all: readonly Strand[], report: CacheReport, top: number): void {
  const { canvas, left, cell } = frame
  const threshold = thresholdOf(report)
  const driftOf = (row: ReportRow): number => row.accumulated ?? row.drift ?? 0
  const finite = report.rows.map(driftOf).filter(Number.isFinite)
  const peak = Math.max(1e-9, ...finite, threshold * 1.1)
  chartPanel(frame, report.evaluations, top, 'DRIFT', peak.toFixed(2))
  const y = (value: number) => top + CHART - 2 - ((CHART - 6) * Math.min(value, peak)) / peak
  if (threshold > 0)
    for (let x = left; x < left + cell * report.evaluations; x += 10) canvas.fill(x, y(threshold), 5, 2, FAINT)
  const inks = [THREAD.full, THREAD.skipped]
  all.forEach(({ rows }, index) => {
    let before: readonly [number, number] | null = null
    for (const row of rows) {
      const here = [left + (row.evaluation + 0.5) * cell, y(driftOf(row))] as const
      if (before) canvas.line(before[0], before[1], here[0], here[1], inks[index % 2] ?? INK)
      before = here
    }
  })
}

/** Milliseconds per evaluation, all strands together. */
function drawTime(frame: Frame, report: CacheReport, top: number): void {
  const spent = new Float64Array(report.evaluations)
  for (const row of report.rows) spent[row.evaluation] = (spent[row.evaluation] ?? 0) + row.milliseconds
  const peak = Math.max(1e-9, ...spent)
  chartPanel(frame, report.evaluations, top, 'TIME', `${peak.toFixed(0)} MS`)
  spent.forEach((value, index) => {
    const height = ((CHART - 6) * value) / peak
    frame.canvas.fill(frame.left + index * frame.cell + 1, top + CHART - height, frame.cell - 2, height, INK)
  })
}

/** Parts of blocks, where only some modules ran, to one digit. */
const shortly = (blocks: number): string => (Number.isInteger(blocks) ? String(blocks) : blocks.toFixed(1))

function summary(report: CacheReport): readonly string[] {
  const skipped = report.rows.filter((row) => row.decision === 'skipped').length
  const share = report.totalBlocks === 0 ? 1 : report.computedBlocks / report.totalBlocks
  const { totalFlops, computedFlops } = report
  const operations = totalFlops > 0 ? `, ${((100 * computedFlops) / totalFlops).toFixed(0)}% of the operations` : ''
  return [
    `${report.method ?? 'no cache'}: ${skipped} of ${report.rows.length} evaluations skipped`,
    `${shortly(report.computedBlocks)} of ${report.totalBlocks} blocks (${(100 * share).toFixed(0)}%), ${(1 / share).toFixed(2)}x less${operations}, ${report.seconds.toFixed(2)} s`,
  ]
}

/** The report as an IMAGE [1, H, W, 3]; width grows with the number of evaluations up to about 1200 pixels. */
export function drawReport(report: CacheReport): Tensor {
  const all = strands(report)
  const cell = Math.max(6, Math.min(24, Math.floor(1100 / Math.max(1, report.evaluations))))
  const left = MARGIN + LABEL
  const lines = [...summary(report), ...report.warnings.map((warning) => `! ${warning}`.slice(0, 90))]
  const width =
    Math.max(left + cell * report.evaluations, MARGIN + Math.max(...lines.map((line) => textWidth(line)))) + MARGIN
  // Methods that go by a schedule measure nothing.
  const hasDrift = report.rows.some(({ accumulated, drift }) => accumulated !== undefined || drift !== undefined)
  const charts = hasDrift ? 2 : 1
  const height = MARGIN + lines.length * 22 + 12 + all.length * 34 + charts * (CHART + 18) + MARGIN
  const canvas = new Canvas(width, height, BACKGROUND)
  lines.forEach((line, index) => canvas.text(MARGIN, MARGIN + index * 22, line, index === 0 ? INK : FAINT))
  const frame = { canvas, left, cell }
  const below = drawWeave(frame, all, report.depth, MARGIN + lines.length * 22 + 12) + 12
  if (hasDrift) drawDrift(frame, all, report, below)
  drawTime(frame, report, below + (charts - 1) * (CHART + 18))
  return canvas.image()
}
