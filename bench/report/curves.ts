/** The bench's plots: fidelity over compute of every method, with fixed masks and fewer steps on the same axes. */
import { IDENTICAL, type Row } from '../summary.ts'
import { svg, type Chart, type Point, type Series } from './chart.ts'

/** Colours that stay apart for most kinds of colour blindness (Okabe and Ito), then further ones. */
const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7b3294',
  '#b2182b',
  '#4d9221',
  '#8c510a',
  '#01665e',
  '#c51b7d',
  '#2166ac',
  '#bf812d',
  '#542788',
]
const MASK = '#555f6b'
const FEWER = ['#8d99ae', '#c9a227', '#6a994e', '#9d79bc']

/** What is drawn over the share of the FLOPs; null leaves a row out. */
interface Measure {
  readonly of: (row: Row) => number | null
  readonly higherIsBetter: boolean
}

/** Identical pictures have no PSNR that could be drawn. */
const PSNR: Measure = { of: ({ psnr }) => (psnr < IDENTICAL ? psnr : null), higherIsBetter: true }
const TRUTH: Measure = { of: ({ truthL2 }) => truthL2, higherIsBetter: false }

/** The results by rising compute, and of those the ones that none beats at no more compute. */
function pointsOf(rows: readonly Row[], { of, higherIsBetter }: Measure): Pick<Series, 'points' | 'line'> {
  const points = rows
    .flatMap((row): Point[] => {
      const value = of(row)
      return value === null ? [] : [[row.flopShare, value]]
    })
    .sort(([a], [b]) => a - b)
  const sign = higherIsBetter ? 1 : -1
  const line = points.filter(
    ([x, y], i) => !points.some(([ox, oy], k) => k !== i && ox <= x && sign * (oy - y) >= 0 && (ox < x || k < i)),
  )
  return { points, line }
}

const methodsOf = (rows: readonly Row[], role: Row['role']): readonly string[] => [
  ...new Set(rows.filter((row) => row.role === role).map(({ method }) => method)),
]

/** Rivals: masks dashed and grey, fewer steps thin. */
function rivals(rows: readonly Row[], measure: Measure): readonly Series[] {
  const of = (method: string) =>
    pointsOf(
      rows.filter((row) => row.method === method),
      measure,
    )
  const masks = methodsOf(rows, 'mask').map((name): Series => {
    return { name: `${name} (fixed)`, colour: MASK, dashed: true, quiet: true, ...of(name) }
  })
  const fewer = methodsOf(rows, 'fewer').map((name, i): Series => {
    return { name, colour: FEWER[i % FEWER.length]!, dashed: true, quiet: true, ...of(name) }
  })
  return [...masks, ...fewer]
}

const methodSeries = (rows: readonly Row[], measure: Measure): readonly Series[] =>
  methodsOf(rows, 'method').map((name, i) => ({
    name,
    colour: COLOURS[i % COLOURS.length]!,
    ...pointsOf(
      rows.filter((row) => row.method === name),
      measure,
    ),
  }))

const X = 'share of the FLOPs computed'

/** Everything on one pair of axes. */
export function overview(rows: readonly Row[]): string {
  return svg(
    [
      {
        title: 'Fidelity to the uncached run over compute (upper left is better)',
        x: X,
        y: 'PSNR, dB',
        series: [...methodSeries(rows, PSNR), ...rivals(rows, PSNR)],
        width: 900,
        height: 480,
        legend: true,
      },
    ],
    1,
  )
}

/** One small chart per method, each with the same rivals. */
export function byMethod(rows: readonly Row[]): string {
  const quiet = rivals(rows, PSNR)
  const charts = methodSeries(rows, PSNR).map((one): Chart => {
    return { title: one.name, x: X, y: 'PSNR, dB', series: [one, ...quiet], width: 300, height: 240, legend: false }
  })
  return svg(charts, 3)
}

/** How far each run ends from where infinitely many steps would end: here the uncached run is no more than one of them. */
export function truth(rows: readonly Row[]): string {
  const plain = rows.filter(({ role }) => role === 'uncached')
  const reference: Series = { name: 'uncached', colour: '#111', ...pointsOf(plain, TRUTH) }
  return svg(
    [
      {
        title: 'Distance to the converged solution over compute (lower left is better)',
        x: X,
        y: 'relative L2 of the final latent',
        series: [reference, ...methodSeries(rows, TRUTH), ...rivals(rows, TRUTH)],
        width: 900,
        height: 480,
        legend: true,
      },
    ],
    1,
  )
}
