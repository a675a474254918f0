/** Geometry of the time chart: one bar per evaluation, its rows stacked, each in the colour of its decision. */
import { COLORS, type WeaveRow, type WeaveRun } from './weave.ts'

export interface Bar {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly color: string
  readonly title: string
}

export interface TimeChart {
  readonly bars: readonly Bar[]
  /** Milliseconds at the top edge. */
  readonly top: number
}

const byEvaluation = (rows: readonly WeaveRow[]): Map<number, WeaveRow[]> => {
  const groups = new Map<number, WeaveRow[]>()
  for (const row of rows) groups.set(row.evaluation, [...(groups.get(row.evaluation) ?? []), row])
  return groups
}

/** Places the time of every evaluation in a box; null when no row took any. */
export function timeChart(run: WeaveRun, box: { width: number; height: number }): TimeChart | null {
  const groups = byEvaluation(run.rows)
  const sums = [...groups.values()].map((rows) => rows.reduce((sum, row) => sum + row.milliseconds, 0))
  const top = Math.max(0, ...sums)
  if (top === 0 || run.evaluations < 1) return null
  const pitch = box.width / run.evaluations
  const width = pitch > 4 ? pitch - 1.5 : pitch
  const bars = [...groups].flatMap(([evaluation, rows]) => {
    let y = box.height
    const sum = rows.reduce((all, row) => all + row.milliseconds, 0)
    return rows.map((row): Bar => {
      const height = (box.height * row.milliseconds) / top
      y -= height
      const title = `Step ${evaluation + 1}: ${sum.toFixed(1)} ms; ${row.branch} ${row.milliseconds.toFixed(1)} ms (${row.decision})`
      return { x: evaluation * pitch, y, width, height, color: COLORS[row.decision], title }
    })
  })
  return { bars, top }
}
