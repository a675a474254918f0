/** The bench's tables in Markdown. */
import type { Contest } from '../contest.ts'
import type { Duel } from '../duel.ts'
import type { Interval } from '../statistics.ts'
import type { Row } from '../summary.ts'

const NONE = '-'
const times = (value: number): string => `${value.toFixed(2)}x`
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(1)}`

/** Heads and rows as a Markdown table; numbers to the right, the first column to the left. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = heads.map((_, i) => (i === 0 ? '---' : '--:'))
  return [heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

interface Column {
  readonly head: string
  readonly cell: (row: Row) => string
}

const speedUp = ({ speed }: Row): string =>
  speed ? `${times(speed.speedUp)} (${speed.quartiles.map((value) => value.toFixed(2)).join('-')})` : NONE

/** The overhead is written with the share of the promise that was kept, and marked where that is below 95 %. */
const overhead = ({ speed }: Row): string =>
  speed ? `${times(speed.overhead)}${1 / speed.overhead < KEPT_AT_LEAST ? ' !' : ''}` : NONE

/** The least share of the speed-up promised by the counted work that the clock has to keep. */
export const KEPT_AT_LEAST = 0.95

const COLUMNS: readonly Column[] = [
  { head: 'Config', cell: ({ config }) => config },
  { head: 'blocks', cell: ({ blockShare }) => percent(blockShare) },
  { head: 'FLOPs', cell: ({ flopShare }) => percent(flopShare) },
  { head: 'promised', cell: ({ promised }) => times(promised) },
  { head: 'SpeedUp (quartiles)', cell: speedUp },
  { head: 'overhead', cell: overhead },
  { head: 'PSNR', cell: ({ psnr }) => psnr.toFixed(1) },
  { head: 'worst', cell: ({ psnrWorst }) => psnrWorst.toFixed(1) },
  { head: 'SSIM', cell: ({ ssim }) => ssim.toFixed(4) },
  { head: 'latent L1', cell: ({ latentL1 }) => latentL1.toFixed(4) },
  { head: 'to converged', cell: ({ truthL2 }) => truthL2?.toFixed(3) ?? NONE },
]

const MORE: readonly Column[] = [
  { head: '5th percentile', cell: ({ psnrFifth }) => psnrFifth?.toFixed(1) ?? NONE },
  { head: 'kept MiB', cell: ({ heldMiB }) => heldMiB?.toFixed(1) ?? NONE },
  { head: 'peak MiB', cell: ({ residentMiB }) => residentMiB?.toFixed(0) ?? NONE },
  { head: 'same decisions', cell: ({ sameDecisions }) => percent(sameDecisions) },
]

const judged = (rows: readonly Row[]): readonly Column[] =>
  Object.keys(rows[0]?.judged ?? {}).map((name) => ({
    head: name,
    cell: (row) => row.judged[name]?.toFixed(4) ?? NONE,
  }))

const render = (rows: readonly Row[], columns: readonly Column[]): string =>
  table(
    columns.map(({ head }) => head),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  )

/** Every column but those that only the docs page has room for. */
export const shortTable = (rows: readonly Row[]): string => render(rows, [...COLUMNS, ...judged(rows)])

export const longTable = (rows: readonly Row[]): string => render(rows, [...COLUMNS, ...judged(rows), ...MORE])

const VERDICTS: Readonly<Record<Duel['verdict'], string>> = {
  better: 'beats the mask',
  worse: 'loses to the mask',
  level: 'no difference shown',
}

const spread = ({ mean, low, high }: Interval): string => `${signed(mean)} (${signed(low)} .. ${signed(high)})`

/** Each method against the best fixed mask of its compute. */
export function duelTable(duels: readonly Duel[]): string {
  const heads = ['Config', 'FLOPs', 'PSNR', 'best mask', 'difference (95 %)', 'captions won', 'verdict']
  const rows = duels.map(({ config, share, psnr, maskPsnr, difference, won, captions, verdict }) => [
    config,
    percent(share),
    psnr.toFixed(1),
    maskPsnr.toFixed(1),
    spread(difference),
    `${won} of ${captions}`,
    VERDICTS[verdict],
  ])
  return table(heads, rows)
}

/** ForecastCache against its rivals at equal compute; two values in a cell are its own and the rival's. */
export function contestTable(contests: readonly Contest[]): string {
  const heads = [
    'At equal compute',
    'against',
    'FLOPs',
    'PSNR',
    '5th percentile',
    'to converged',
    'difference (95 %)',
    'captions won',
  ]
  const both = ([own, other]: readonly [number, number], digits: number): string =>
    `${own.toFixed(digits)} / ${other.toFixed(digits)}`
  const rows = contests.map(({ challenger, rival, shares, psnr, fifth, truth, difference, won, captions }) => [
    challenger,
    rival,
    shares.map(percent).join(' / '),
    both(psnr, 1),
    both(fifth, 1),
    truth ? both(truth, 3) : NONE,
    spread(difference),
    `${won} of ${captions}`,
  ])
  return table(heads, rows)
}

/** A sentence for each setting whose clock did not keep what its counted work promises. */
export function shortfalls(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(({ config, speed, promised }) =>
    speed && 1 / speed.overhead < KEPT_AT_LEAST
      ? [
          `${config}: ${times(promised)} promised, ${times(speed.speedUp)} measured: only ${percent(1 / speed.overhead)} of it, less than ${percent(KEPT_AT_LEAST)}`,
        ]
      : [],
  )
}
