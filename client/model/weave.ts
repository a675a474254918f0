/** The weave: which part of the model each step of a sampling run really computed, as cells on a grid. */
import type { ReportRow } from '../../diffusion/caching/report-types.ts'
import type { SamplingRun } from '../sdk/reports.ts'

export type WeaveRow = ReportRow

export type WeaveRun = SamplingRun

/** A thread: the cells of one sample and guidance branch, left to right. */
export interface Thread {
  readonly sample: number
  readonly branch: string
  readonly label: string
}

export interface Cell {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** Share of the blocks that ran, 0..1; the cell is filled from the bottom by it. */
  readonly share: number
  /** For 'resumed': the share that the probe ran first. Null when the cell has no seam. */
  readonly probe: number | null
  readonly row: WeaveRow | null
  readonly evaluation: number
  readonly thread: Thread
}

export interface Totals {
  readonly rows: number
  readonly full: number
  readonly resumed: number
  readonly skipped: number
  readonly partial: number
  readonly blocks: number
  /** Blocks that a plain run would have needed for the rows so far. */
  readonly plain: number
  /** Modules computed, by kind; a plain run computes one of each kind a block. */
  readonly modules: Readonly<Record<string, number>>
  /** Estimated operations computed. */
  readonly flops: number
  readonly seconds: number
}

/** The fill of a decision. */
export const COLORS = {
  full: '#e2a14a',
  resumed: '#5fa99d',
  skipped: '#6c8fb8',
  partial: '#a98bc4',
  empty: '#252a33',
  seam: '#1c1f26',
} as const

/** The threads of a run, sample by sample, conditional branch first. */
export function threads(run: WeaveRun): Thread[] {
  const samples = [...new Set(run.rows.map((row) => row.sample))].sort((a, b) => a - b)
  const branches = [...new Set(run.rows.map((row) => row.branch))].sort()
  return samples.flatMap((sample) =>
    branches.map((branch) => ({ sample, branch, label: samples.length > 1 ? `${branch} ${sample + 1}` : branch })),
  )
}

/** The smallest number of blocks that a skip or a probe runs in this run: where resumed cells have their seam. */
function probeBlocks(run: WeaveRun): number | null {
  const skipped = run.rows.filter((row) => row.decision === 'skipped' && row.blocks > 0).map((row) => row.blocks)
  return skipped.length > 0 ? Math.min(...skipped) : null
}

/** Adds the rows of an event; a row that came before is replaced, so repeated events do no harm. */
export function addRows(run: WeaveRun, rows: readonly WeaveRow[]): WeaveRun {
  const key = (row: WeaveRow): string => `${row.evaluation}/${row.sample}/${row.branch}`
  const known = new Map(run.rows.map((row) => [key(row), row]))
  for (const row of rows) known.set(key(row), row)
  return { ...run, rows: [...known.values()] }
}

/** Places the cells of a run in a rectangle; threads beyond what fits at `minimum` pixels are left out. */
export function cells(
  run: WeaveRun,
  box: { x: number; y: number; width: number; height: number },
  minimum = 6,
): Cell[] {
  const all = threads(run)
  const list = all.slice(0, Math.max(1, Math.floor(box.height / minimum)))
  if (list.length === 0 || run.evaluations < 1 || run.depth < 1) return []
  const gap = list.length > 1 ? Math.min(4, box.height / list.length / 5) : 0
  const height = (box.height - gap * (list.length - 1)) / list.length
  const pitch = box.width / run.evaluations
  const space = pitch > 5 ? 1.5 : pitch > 3 ? 1 : 0
  const probe = probeBlocks(run)
  const found = new Map(run.rows.map((row) => [`${row.evaluation}/${row.sample}/${row.branch}`, row]))
  return list.flatMap((thread, line) =>
    Array.from({ length: run.evaluations }, (_, evaluation) => {
      const row = found.get(`${evaluation}/${thread.sample}/${thread.branch}`) ?? null
      return {
        x: box.x + evaluation * pitch,
        y: box.y + line * (height + gap),
        width: pitch - space,
        height,
        share: row ? Math.min(1, row.blocks / run.depth) : 0,
        probe: row?.decision === 'resumed' && probe !== null ? Math.min(1, probe / run.depth) : null,
        row,
        evaluation,
        thread,
      }
    }),
  )
}

function modulesOf(rows: readonly WeaveRow[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const row of rows)
    for (const [kind, count] of Object.entries(row.modules)) sums[kind] = (sums[kind] ?? 0) + count
  return sums
}

/** What the drift is compared with, as the method was set; null where it has no threshold. */
export function thresholdOf({ params }: WeaveRun): number | null {
  // A preset puts its own in place of the knob's.
  if ((params['preset'] ?? 'custom') !== 'custom') return null
  const name = Object.keys(params).find((one) => one.endsWith('threshold'))
  const value = name === undefined ? undefined : params[name]
  return typeof value === 'number' && value > 0 ? value : null
}

/** Counts of a run so far. */
export function totals(run: WeaveRun): Totals {
  const count = (decision: WeaveRow['decision']): number => run.rows.filter((row) => row.decision === decision).length
  return {
    rows: run.rows.length,
    full: count('full'),
    resumed: count('resumed'),
    skipped: count('skipped'),
    partial: count('partial'),
    blocks: run.rows.reduce((sum, row) => sum + row.blocks, 0),
    plain: run.rows.length * run.depth,
    modules: modulesOf(run.rows),
    flops: run.rows.reduce((sum, row) => sum + row.flops, 0),
    seconds: run.rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000,
  }
}

/** One line for people who cannot see the cells. */
export function inWords(run: WeaveRun): string {
  const t = totals(run)
  const parts = [
    `${t.full} full`,
    `${t.resumed} resumed`,
    `${t.skipped} skipped`,
    ...(t.partial > 0 ? [`${t.partial} partial`] : []),
  ]
  return `${run.method ?? 'No cache'}: ${t.rows} of ${run.evaluations * Math.max(1, threads(run).length)} cells, ${parts.join(', ')}; ${t.blocks} of ${t.plain} blocks computed`
}

/** Paints cells on a 2D canvas (in whatever scale the context has). */
export function paintCells(ctx: CanvasRenderingContext2D, list: readonly Cell[]): void {
  for (const cell of list) {
    ctx.fillStyle = COLORS.empty
    ctx.fillRect(cell.x, cell.y, cell.width, cell.height)
    if (!cell.row) continue
    const filled = cell.height * cell.share
    ctx.fillStyle = COLORS[cell.row.decision]
    ctx.fillRect(cell.x, cell.y + cell.height - filled, cell.width, filled)
    if (cell.probe !== null) {
      ctx.fillStyle = COLORS.seam
      ctx.fillRect(cell.x, cell.y + cell.height * (1 - cell.probe) - 0.5, cell.width, 1)
    }
    if (cell.row.forced !== undefined) {
      ctx.fillStyle = 'rgba(20, 16, 8, 0.75)'
      ctx.fillRect(cell.x + cell.width / 2 - 1, cell.y + 2, 2, Math.min(4, cell.height / 4))
    }
  }
}
