/** Tooltips of fields, sockets and titles, shown when the pointer rests on them. */
import { totals } from '../model/weave.ts'
import { contains } from './layout.ts'
import { MEASURE } from './theme.ts'
import { GraphNode } from './node.ts'
import type { Surface } from './surface.ts'

const REST = 500

/** The words for a point within a node, or null. */
function tipAt(node: GraphNode, x: number, y: number): string | null {
  const type = node.nodeType
  if (!type)
    return node.original?.known ? null : `This server has no node of class '${node.type ?? ''}'. Its data are kept.`
  if (y < 0)
    return [type.title === type.name ? type.name : `${type.title} (${type.name})`, type.description]
      .filter(Boolean)
      .join('\n')
  const { rows, weave } = node.layout
  const row = rows.find((candidate) => contains(candidate, x, y))
  if (row)
    return row.part === 'value'
      ? row.input.tooltip
      : row.part === 'control'
        ? 'What happens to the value after a run is queued.'
        : null
  if (weave && contains(weave, x, y) && node.run.weave) {
    const t = totals(node.run.weave)
    return `${t.skipped} skipped, ${t.full} full, ${t.resumed} resumed\n${t.blocks} of ${t.plain} blocks computed`
  }
  const line = Math.floor(y / MEASURE.slotHeight)
  const sockets = type.inputs.filter((input) => !input.widget)
  const slot = x < node.size[0] / 2 ? sockets[line] : type.outputs[line]
  return slot ? [`${slot.name} · ${slot.type}`, slot.tooltip].filter(Boolean).join('\n') : null
}

/** Shows tooltips over a surface. */
export function addTooltips(surface: Surface): void {
  const box = document.createElement('div')
  box.className = 'tooltip'
  box.role = 'tooltip'
  box.hidden = true
  document.body.append(box)
  let timer: ReturnType<typeof setTimeout> | undefined
  const hide = (): void => {
    clearTimeout(timer)
    box.hidden = true
  }
  surface.canvas.addEventListener('pointermove', (event) => {
    hide()
    if (event.buttons !== 0 || event.pointerType === 'touch') return
    timer = setTimeout(() => {
      const [x, y] = surface.toGraph(event.clientX, event.clientY)
      const node = surface.graph.getNodeOnPos(x, y)
      const words = node instanceof GraphNode ? tipAt(node, x - node.pos[0], y - node.pos[1]) : null
      if (words === null || words === '') return
      box.textContent = words
      box.hidden = false
      const { width, height } = box.getBoundingClientRect()
      box.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 6)}px`
      box.style.top = `${Math.min(event.clientY + 18, innerHeight - height - 6)}px`
    }, REST)
  })
  surface.canvas.addEventListener('pointerdown', hide)
  surface.canvas.addEventListener('pointerleave', hide)
  surface.canvas.addEventListener('wheel', hide, { passive: true })
}
