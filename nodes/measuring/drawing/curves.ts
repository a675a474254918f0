/** Draws curves in panels, one below the other, each with its own scale. */
import type { Tensor } from '../../../diffusion/tensor.ts'
import { Canvas, textWidth, type Colour } from './canvas.ts'
import { BACKGROUND, FAINT, INK, MARGIN, PANEL, THREAD } from './palette.ts'

export interface Curve {
  readonly label: string
  /** x and y, in order of x. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Panel {
  readonly title: string
  /** What runs from left to right. */
  readonly axis: string
  readonly curves: readonly Curve[]
  /** A value to draw a dotted line at. */
  readonly mark?: number
}

const [WIDTH, HEIGHT, LINE, GAP] = [760, 180, 22, 16]
/** Room left of a panel for its numbers. */
const LEFT = MARGIN + 90
const INKS: readonly Colour[] = [THREAD.full, THREAD.skipped, THREAD.resumed, THREAD.partial]

/** Least and greatest of finite values, a little apart where they are one. */
function extent(values: readonly number[]): readonly [number, number] {
  const finite = values.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  if (finite.length === 0) return [0, 1]
  return low < high ? [low, high] : [low - 0.5, high + 0.5]
}

const number = (value: number): string => Number(value.toPrecision(3)).toString()

/** Draws one panel at `top`; returns the y below it. */
function drawPanel(canvas: Canvas, { title, axis, curves, mark }: Panel, top: number): number {
  const points = curves.flatMap((curve) => curve.points)
  const [x0, x1] = extent(points.map(([x]) => x))
  const [y0, y1] = extent([...points.map(([, y]) => y), ...(mark === undefined ? [] : [mark])])
  const at = (x: number, y: number): readonly [number, number] => [
    LEFT + 4 + ((WIDTH - 8) * (x - x0)) / (x1 - x0),
    top + LINE + 4 + ((HEIGHT - 8) * (y1 - y)) / (y1 - y0),
  ]
  canvas.text(MARGIN, top, title, INK)
  canvas.fill(LEFT, top + LINE, WIDTH, HEIGHT, PANEL)
  canvas.text(LEFT - textWidth(number(y1), 1) - 6, top + LINE, number(y1), FAINT, 1)
  canvas.text(LEFT - textWidth(number(y0), 1) - 6, top + LINE + HEIGHT - 8, number(y0), FAINT, 1)
  if (mark !== undefined) for (let x = LEFT; x < LEFT + WIDTH; x += 10) canvas.fill(x, at(x0, mark)[1], 5, 2, FAINT)
  curves.forEach(({ label, points: own }, index) => {
    const ink = INKS[index % INKS.length] ?? INK
    own.forEach(([x, y], i) => {
      const [before, here] = [own[i - 1], at(x, y)]
      if (before) canvas.line(...at(...before), ...here, ink)
      else canvas.fill(here[0] - 1, here[1] - 1, 3, 3, ink)
    })
    canvas.text(LEFT + WIDTH - textWidth(label) - 8, top + LINE + 8 + index * LINE, label, ink)
  })
  const below = top + LINE + HEIGHT + 6
  canvas.text(LEFT, below, number(x0), FAINT, 1)
  canvas.text(LEFT + (WIDTH - textWidth(axis, 1)) / 2, below, axis, FAINT, 1)
  canvas.text(LEFT + WIDTH - textWidth(number(x1), 1), below, number(x1), FAINT, 1)
  return below + GAP
}

/** Lines of text above the panels, as an IMAGE [1, H, W, 3]. */
export function drawCurves(lines: readonly string[], panels: readonly Panel[]): Tensor {
  const width = Math.max(LEFT + WIDTH, MARGIN + Math.max(0, ...lines.map((line) => textWidth(line)))) + MARGIN
  const height = 2 * MARGIN + lines.length * LINE + panels.length * (LINE + HEIGHT + 6 + GAP)
  const canvas = new Canvas(width, height, BACKGROUND)
  lines.forEach((line, index) => canvas.text(MARGIN, MARGIN + index * LINE, line, index === 0 ? INK : FAINT))
  panels.reduce((top, panel) => drawPanel(canvas, panel, top), MARGIN + lines.length * LINE)
  return canvas.image()
}
