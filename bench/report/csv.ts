/** The bench's rows as CSV; columns that cache-dit's bench has too bear its names. */
import type { Row } from '../summary.ts'

type Cell = string | number | null | undefined

const JUDGES = ['LPIPS', 'ClipScore', 'ImageReward']

const cellsOf = (row: Row): Readonly<Record<string, Cell>> => ({
  Config: row.config,
  ...Object.fromEntries(JUDGES.map((name) => [name, row.judged[name]])),
  PSNR: row.psnr,
  SSIM: row.ssim,
  TFLOPs: row.teraflops,
  Latency: row.speed?.latency,
  SpeedUp: row.speed?.speedUp,
  SpeedUpQ1: row.speed?.quartiles[0],
  SpeedUpQ3: row.speed?.quartiles[1],
  SpeedUpPromised: row.promised,
  Overhead: row.speed?.overhead,
  TimedRuns: row.speed?.runs,
  Method: row.method,
  Captions: row.captions,
  Evaluations: row.evaluations,
  BlockShare: row.blockShare,
  FlopShare: row.flopShare,
  PSNRWorst: row.psnrWorst,
  PSNRFifth: row.psnrFifth,
  LatentL1: row.latentL1,
  ConvergedL2: row.truthL2,
  KeptMiB: row.heldMiB,
  PeakMiB: row.residentMiB,
  SameDecisions: row.sameDecisions,
})

/** RFC 4180: quoted where it has to be; nothing for what was not measured. */
function quoted(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  const text = typeof cell === 'number' ? String(Number(cell.toPrecision(6))) : cell
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csv(rows: readonly Row[]): string {
  const lines = rows.map(cellsOf)
  const heads = Object.keys(lines[0] ?? {})
  return [heads, ...lines.map((line) => heads.map((head) => line[head]))]
    .map((cells) => `${cells.map(quoted).join(',')}\n`)
    .join('')
}
