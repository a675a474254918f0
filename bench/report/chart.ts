/** Line charts as SVG text: axes, a grid, curves with marks, and a legend; no library, no script, readable on white and dark pages. */

export interface Series {
  readonly name: string
  readonly colour: string
  readonly dashed?: boolean
  /** Drawn first and thin: what the others are compared with. */
  readonly quiet?: boolean
  /** All results, [x, y], as marks. */
  readonly points: readonly Point[]
  /** Those that are joined by a line, in this order. */
  readonly line: readonly Point[]
}

export type Point = readonly [x: number, y: number]

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
  readonly width: number
  readonly height: number
  /** Names beside the chart; without them the title has to say what is drawn. */
  readonly legend: boolean
}

const MARGIN = { left: 46, right: 12, top: 30, bottom: 38 }
const LEGEND_WIDTH = 190
const LINE = 16
const INK = '#1f2933'
const FAINT = '#d5dbe1'

export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const at = (value: number): string => String(Math.round(10 * value) / 10)

/** Round numbers, about `count` of them, that span `low` to `high`. */
export function ticks(low: number, high: number, count: number): readonly number[] {
  const span = high - low || Math.abs(high) || 1
  const raw = span / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? 10 * power
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  return Array.from({ length: Math.max(2, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

interface Scale {
  readonly ticks: readonly number[]
  readonly place: (value: number) => number
}

function scaleOf(values: readonly number[], from: number, to: number, count: number): Scale {
  const marks = ticks(Math.min(...values), Math.max(...values), count)
  const [low, high] = [marks[0]!, marks[marks.length - 1]!]
  return { ticks: marks, place: (value) => from + ((value - low) / (high - low)) * (to - from) }
}

const text = (x: number, y: number, content: string, extra = ''): string =>
  `<text x="${at(x)}" y="${at(y)}" ${extra}>${escaped(content)}</text>`

function curve({ points, line, colour, dashed, quiet }: Series, x: Scale, y: Scale): string {
  const place = ([px, py]: Point) => [at(x.place(px)), at(y.place(py))] as const
  const dash = dashed ? ' stroke-dasharray="5 3"' : ''
  const joined = line.map((point) => place(point).join(',')).join(' ')
  const marks = points
    .map(place)
    .map(([px, py]) => `<circle cx="${px}" cy="${py}" r="${quiet ? 2 : 3}" fill="${colour}"/>`)
  return `<polyline points="${joined}" fill="none" stroke="${colour}" stroke-width="${quiet ? 1.2 : 2}"${dash}/>${marks.join('')}`
}

function legend(series: readonly Series[], left: number): string {
  return series
    .map(({ name, colour, dashed }, i) => {
      const y = MARGIN.top + 8 + i * LINE
      const dash = dashed ? ' stroke-dasharray="5 3"' : ''
      const key = `<line x1="${left}" y1="${y - 4}" x2="${left + 18}" y2="${y - 4}" stroke="${colour}" stroke-width="2"${dash}/>`
      return key + text(left + 24, y, name)
    })
    .join('')
}

/** One chart as an SVG group whose corner is at 0, 0. */
function group(chart: Chart): string {
  const right = chart.width - MARGIN.right - (chart.legend ? LEGEND_WIDTH : 0)
  const bottom = chart.height - MARGIN.bottom
  const all = chart.series.flatMap(({ points }) => points)
  if (all.length === 0) return text(MARGIN.left, MARGIN.top, `${chart.title}: nothing was measured`)
  const x = scaleOf(
    all.map(([value]) => value),
    MARGIN.left,
    right,
    5,
  )
  const y = scaleOf(
    all.map(([, value]) => value),
    bottom,
    MARGIN.top,
    5,
  )
  const grid = [
    ...x.ticks.map((value) => {
      const px = at(x.place(value))
      return `<line x1="${px}" y1="${MARGIN.top}" x2="${px}" y2="${bottom}" stroke="${FAINT}"/>${text(x.place(value), bottom + 14, String(value), 'text-anchor="middle"')}`
    }),
    ...y.ticks.map((value) => {
      const py = at(y.place(value))
      return `<line x1="${MARGIN.left}" y1="${py}" x2="${right}" y2="${py}" stroke="${FAINT}"/>${text(MARGIN.left - 6, y.place(value) + 4, String(value), 'text-anchor="end"')}`
    }),
  ]
  const order = [...chart.series].sort((a, b) => Number(b.quiet ?? false) - Number(a.quiet ?? false))
  return [
    ...grid,
    text(MARGIN.left, 16, chart.title, 'font-weight="600" font-size="13"'),
    text((MARGIN.left + right) / 2, chart.height - 6, chart.x, 'text-anchor="middle"'),
    text(0, 0, chart.y, `text-anchor="middle" transform="translate(12 ${at((MARGIN.top + bottom) / 2)}) rotate(-90)"`),
    ...order.map((one) => curve(one, x, y)),
    chart.legend ? legend(chart.series, right + 16) : '',
  ].join('\n')
}

/** Charts of one size, `columns` side by side, as a whole SVG file. */
export function svg(charts: readonly Chart[], columns: number): string {
  const [first] = charts
  const [width, height] = [first?.width ?? 0, first?.height ?? 0]
  const total = [Math.min(columns, charts.length) * width, Math.ceil(charts.length / columns) * height] as const
  const groups = charts.map(
    (chart, i) =>
      `<g transform="translate(${(i % columns) * width} ${Math.floor(i / columns) * height})">\n${group(chart)}\n</g>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total[0]} ${total[1]}" width="${total[0]}" height="${total[1]}"`,
    ` font-family="system-ui, sans-serif" font-size="11" fill="${INK}">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...groups,
    '</svg>\n',
  ].join('\n')
}
