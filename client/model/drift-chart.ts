/** Geometry of the drift chart: one line per guidance branch of the first sample, and the threshold. */
import { threads, type WeaveRun } from './weave.ts'

export interface DriftChart {
  readonly paths: readonly { branch: string; d: string }[]
  readonly points: readonly { x: number; y: number; branch: string; title: string }[]
  /** Height of the threshold's line. */
  readonly line: number | null
  /** Value at the top edge. */
  readonly top: number
}

/** Places the accumulated drift (or the drift, where nothing is summed) of a run in a box; null when there is none. */
export function driftChart(
  run: WeaveRun,
  threshold: number | null,
  box: { width: number; height: number },
): DriftChart | null {
  const first = threads(run)[0]?.sample
  const rows = run.rows.filter((row) => row.sample === first)
  const series = rows
    .map((row) => ({ row, value: row.accumulated ?? row.drift }))
    .filter(
      (item): item is { row: (typeof rows)[number]; value: number } =>
        item.value !== undefined && Number.isFinite(item.value),
    )
  if (series.length === 0) return null
  const top = Math.max(threshold ?? 0, ...series.map(({ value }) => value)) * 1.1 || 1
  const y = (value: number): number => box.height * (1 - value / top)
  const x = (evaluation: number): number => ((evaluation + 0.5) / run.evaluations) * box.width
  const points = series.map(({ row, value }) => ({
    x: x(row.evaluation),
    y: y(value),
    branch: row.branch,
    title: `Step ${row.evaluation + 1}, ${row.branch}: ${value.toPrecision(3)} (${row.decision})`,
  }))
  const branches = [...new Set(points.map((point) => point.branch))]
  const paths = branches.map((branch) => ({
    branch,
    d: points
      .filter((point) => point.branch === branch)
      .sort((a, b) => a.x - b.x)
      .map((point, i) => `${i === 0 ? 'M' : 'L'}${point.x.toFixed(1)} ${point.y.toFixed(1)}`)
      .join(''),
  }))
  return { paths, points, line: threshold === null ? null : y(threshold), top }
}
