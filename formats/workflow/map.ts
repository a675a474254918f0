/** A saved workflow drawn as a small SVG map: its nodes with their titles, and the links between them. */
import { z } from 'zod'

const pair = z.tuple([z.number(), z.number()]).rest(z.number())
const node = z.object({ id: z.number(), type: z.string(), title: z.string().optional(), pos: pair, size: pair })
/** Id, node and slot it comes from, node and slot it goes to, type. */
const link = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]).rest(z.unknown())
const graph = z.object({ nodes: z.array(node).min(1), links: z.array(link) })
type Node = z.output<typeof node>

/** Pixels of the picture. */
const WIDTH = 480
const HEIGHT = 270
/** Pixels around the nodes. */
const MARGIN = 16
/** Height of a node's title bar above its `pos`, and of a slot, in the workflow's own units (litegraph.js). */
const TITLE = 30
const SLOT = 20

const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }
const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => NAMED[one] ?? one)
const short = (value: number): string => String(Math.round(value * 10) / 10)

function drawNode({ type, title, pos, size }: Node): string {
  const [x, y, width, height] = [pos[0], pos[1] - TITLE, size[0], size[1] + TITLE]
  const box = `x="${short(x)}" y="${short(y)}" width="${short(width)}" rx="6"`
  const name = escaped((title ?? type).slice(0, Math.max(1, Math.floor(width / 11))))
  return (
    `<rect ${box} height="${short(height)}" fill="#353535"/><rect ${box} height="${TITLE}" fill="#4a5a78"/>` +
    `<text x="${short(x + 10)}" y="${short(y + 21)}">${name}</text>`
  )
}

/** A link's curve from the right edge of one node to the left edge of another. */
function drawLink(from: Node, fromSlot: number, to: Node, toSlot: number): string {
  const [x1, y1] = [from.pos[0] + from.size[0], from.pos[1] + (fromSlot + 0.7) * SLOT]
  const [x2, y2] = [to.pos[0], to.pos[1] + (toSlot + 0.7) * SLOT]
  const reach = Math.max(40, Math.abs(x2 - x1) / 2)
  const numbers = [x1, y1, x1 + reach, y1, x2 - reach, y2, x2, y2].map(short)
  return `<path d="M${numbers.slice(0, 2).join(' ')}C${numbers.slice(2).join(' ')}"/>`
}

/** Moves and scales all nodes into the middle of the picture. */
function fit(nodes: readonly Node[]): string {
  const left = Math.min(...nodes.map(({ pos }) => pos[0]))
  const top = Math.min(...nodes.map(({ pos }) => pos[1])) - TITLE
  const width = Math.max(...nodes.map(({ pos, size }) => pos[0] + size[0])) - left
  const height = Math.max(...nodes.map(({ pos, size }) => pos[1] + size[1])) - top
  const scale = Math.min((WIDTH - 2 * MARGIN) / width, (HEIGHT - 2 * MARGIN) / height)
  const [x, y] = [(WIDTH - width * scale) / 2 - left * scale, (HEIGHT - height * scale) / 2 - top * scale]
  return `translate(${short(x)} ${short(y)}) scale(${scale.toFixed(4)})`
}

/** SVG of 480 x 270 pixels that shows all of a workflow saved in version 0.4. Throws ZodError when it is none, or empty. */
export function drawMap(workflow: unknown): string {
  const { nodes, links } = graph.parse(workflow)
  const byId = new Map(nodes.map((one) => [one.id, one]))
  const curves = links.flatMap(([, from, fromSlot, to, toSlot]) => {
    const [source, target] = [byId.get(from), byId.get(to)]
    return source && target ? [drawLink(source, fromSlot, target, toSlot)] : []
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}">` +
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#1e1e1e"/>` +
    `<g transform="${fit(nodes)}" font-family="sans-serif" font-size="18" fill="#ddd">` +
    `<g fill="none" stroke="#9a8" stroke-width="3">${curves.join('')}</g>${nodes.map(drawNode).join('')}</g></svg>`
  )
}
