/** Draws what a run did to a node: outline, progress, weave, preview or result, faults and warnings. */
import type { NodeRun } from '../model/runs.ts'
import { cells, paintCells } from '../model/weave.ts'
import { fitInside, type NodeLayout, type Rect } from './layout.ts'
import type { GraphNode } from './node.ts'
import { clip, wrap } from './paint-fields.ts'
import type { Picture } from './pictures.ts'
import { FONT, MEASURE, THEME } from './theme.ts'

/** Outline of a node that runs or failed; drawn behind its contents. */
export function paintFrame(ctx: CanvasRenderingContext2D, node: GraphNode, run: NodeRun): void {
  const color =
    run.faults.length > 0 || node.isMissing
      ? THEME.error
      : run.running
        ? THEME.running
        : run.warnings.length > 0
          ? THEME.warning
          : null
  if (color === null) return
  const top = -MEASURE.titleHeight
  ctx.save()
  ctx.beginPath()
  ctx.roundRect(-1.5, top - 1.5, node.size[0] + 4, (node.flags.collapsed ? 0 : node.size[1]) - top + 3, 9)
  ctx.strokeStyle = color
  ctx.lineWidth = 3
  ctx.stroke()
  ctx.restore()
}

function paintProgress(ctx: CanvasRenderingContext2D, node: GraphNode, run: NodeRun): void {
  if (!run.running) return
  const share = run.progress && run.progress.max > 0 ? Math.min(1, run.progress.value / run.progress.max) : 0
  ctx.fillStyle = 'rgba(0,0,0,0.35)'
  ctx.fillRect(0, 0, node.size[0] + 1, 4)
  ctx.fillStyle = THEME.running
  ctx.fillRect(0, 0, (node.size[0] + 1) * share, 4)
}

/** Title bar, right side: what the node is doing or how long it took. */
function paintTime(ctx: CanvasRenderingContext2D, node: GraphNode, run: NodeRun): void {
  const text = run.running
    ? run.progress
      ? `${run.progress.value} / ${run.progress.max}`
      : 'running'
    : run.seconds !== null
      ? `${run.seconds < 10 ? run.seconds.toFixed(1) : run.seconds.toFixed(0)} s`
      : run.cached
        ? 'kept'
        : ''
  if (text === '' || node.size[0] < 140) return
  ctx.font = FONT.small
  ctx.textAlign = 'right'
  ctx.textBaseline = 'middle'
  ctx.fillStyle = run.running ? THEME.running : THEME.dim
  ctx.fillText(text, node.size[0] - 10, -MEASURE.titleHeight / 2)
  ctx.textAlign = 'left'
}

function paintWeave(ctx: CanvasRenderingContext2D, box: Rect, run: NodeRun): void {
  if (!run.weave) return
  ctx.save()
  paintCells(ctx, cells(run.weave, box))
  ctx.restore()
}

function paintPicture(ctx: CanvasRenderingContext2D, box: Rect, picture: Picture): void {
  const place = fitInside(box, picture.width, picture.height)
  ctx.imageSmoothingQuality = 'high'
  ctx.drawImage(picture.source, place.x, place.y, place.width, place.height)
}

/** Up to four pictures in a grid; a number says how many there are. */
function paintImages(ctx: CanvasRenderingContext2D, node: GraphNode, box: Rect): void {
  const chosen = node.chosenPicture()
  const files = node.run.images.length > 0 ? node.run.images : chosen ? [chosen] : []
  const pictures = files.slice(0, 4).map((file) => node.pictures.result(file))
  const columns = pictures.length > 1 ? 2 : 1
  const lines = Math.ceil(pictures.length / columns)
  const [width, height] = [box.width / columns, box.height / Math.max(1, lines)]
  pictures.forEach((picture, i) => {
    if (!picture) return
    paintPicture(
      ctx,
      {
        x: box.x + (i % columns) * width + 1,
        y: box.y + Math.floor(i / columns) * height + 1,
        width: width - 2,
        height: height - 2,
      },
      picture,
    )
  })
  if (files.length <= 4) return
  ctx.font = FONT.small
  ctx.fillStyle = THEME.text
  ctx.textAlign = 'right'
  ctx.fillText(`${files.length} pictures`, box.x + box.width - 4, box.y + box.height - 4)
  ctx.textAlign = 'left'
}

function paintMedia(ctx: CanvasRenderingContext2D, node: GraphNode, box: Rect): void {
  const preview = node.pictures.preview(node.id)
  if (preview && (node.run.running || node.run.images.length === 0)) paintPicture(ctx, box, preview)
  else paintImages(ctx, node, box)
}

/** Lines of the node's own words that stand under it; the report panel has them all. */
const MOST_TEXTS = 4

/** Strips under the node: its faults, or its warnings, and then what it says itself. */
function paintMessages(ctx: CanvasRenderingContext2D, node: GraphNode, run: NodeRun): void {
  const faults = run.faults.map((fault) => (fault.input === null ? fault.message : `${fault.input}: ${fault.message}`))
  ctx.save()
  ctx.font = FONT.small
  ctx.textBaseline = 'top'
  const top = node.size[1] + 6
  const below =
    faults.length > 0
      ? paintStrip(ctx, node, top, faults.slice(0, 3), ['#3a2325', '#f0aaa5'])
      : paintStrip(ctx, node, top, run.warnings.slice(0, 3), ['#332d1d', '#e5cf93'])
  paintStrip(ctx, node, below, run.texts.slice(0, MOST_TEXTS), [THEME.node, THEME.label])
  ctx.restore()
}

/** One strip in its colours, ground and ink; returns where the next begins. */
function paintStrip(
  ctx: CanvasRenderingContext2D,
  node: GraphNode,
  top: number,
  messages: readonly string[],
  [ground, ink]: readonly [string, string],
): number {
  if (messages.length === 0) return top
  const lines = messages.flatMap((message) => wrap(ctx, message, node.size[0] - 20, 3))
  const height = lines.length * 14 + 12
  ctx.beginPath()
  ctx.roundRect(0, top, node.size[0], height, 6)
  ctx.fillStyle = ground
  ctx.fill()
  ctx.fillStyle = ink
  lines.forEach((line, i) => ctx.fillText(line, 10, top + 7 + i * 14))
  return top + height + 4
}

/** Everything a run shows on a node that is not collapsed. */
export function paintRun(ctx: CanvasRenderingContext2D, node: GraphNode, layout: NodeLayout): void {
  const run = node.run
  paintProgress(ctx, node, run)
  paintTime(ctx, node, run)
  if (layout.weave) paintWeave(ctx, layout.weave, run)
  if (layout.media) paintMedia(ctx, node, layout.media)
  paintMessages(ctx, node, run)
}

/** The line in a node that has no fields here: a subgraph or group, or a class that this server does not have. */
export function paintPlaceholder(ctx: CanvasRenderingContext2D, node: GraphNode): void {
  ctx.font = FONT.small
  ctx.fillStyle = node.isMissing ? '#f0aaa5' : THEME.dim
  const words = node.isMissing ? 'This server has no such node' : 'Runs, but is not edited here'
  ctx.fillText(clip(ctx, words, node.size[0] - 20), 10, node.size[1] - 10)
}
