/** Fingers: two pinch and pan, one held still opens the menu; the mouse and one moving finger are litegraph's. */
import type { Surface } from './surface.ts'

const HOLD = 550
const STILL = 8

/** Adds the gestures to the canvas of a surface. `hold` gets the page point of a long press. */
export function addTouch(surface: Surface, hold: (x: number, y: number) => void): void {
  const { canvas } = surface
  const fingers = new Map<number, { x: number; y: number }>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let start = { x: 0, y: 0 }
  const pair = (): [{ x: number; y: number }, { x: number; y: number }] | null => {
    const [a, b] = [...fingers.values()]
    return a && b ? [a, b] : null
  }
  const release = (): void => clearTimeout(timer)

  /** Ends whatever litegraph began with the first finger. */
  const endDrag = (): void => {
    surface.dragging_canvas = false
    surface.node_dragged = null
    surface.connecting_node = null
    surface.pointer_is_down = false
  }

  const down = (event: PointerEvent): void => {
    if (event.pointerType !== 'touch') return
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    release()
    if (fingers.size === 1) {
      start = { x: event.clientX, y: event.clientY }
      timer = setTimeout(() => {
        endDrag()
        hold(start.x, start.y)
      }, HOLD)
    } else {
      endDrag()
      event.stopImmediatePropagation()
    }
  }
  const move = (event: PointerEvent): void => {
    const finger = fingers.get(event.pointerId)
    if (!finger) return
    if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > STILL) release()
    const before = pair()
    const [centre, spread] = before ? measure(before) : [null, 0]
    Object.assign(finger, { x: event.clientX, y: event.clientY })
    const after = pair()
    if (!centre || !after) return
    const [now, wide] = measure(after)
    surface.pan(now.x - centre.x, now.y - centre.y)
    if (spread > 0) surface.zoomAt(wide / spread, now.x, now.y)
    event.stopImmediatePropagation()
  }
  const up = (event: PointerEvent): void => {
    release()
    fingers.delete(event.pointerId)
  }
  // On the parent: litegraph's own listener on the canvas came first and would take a second finger for a right click.
  canvas.parentElement!.addEventListener('pointerdown', down, true)
  window.addEventListener('pointermove', move, true)
  window.addEventListener('pointerup', up, true)
  window.addEventListener('pointercancel', up, true)
}

/** Centre and distance of two points. */
function measure([a, b]: [{ x: number; y: number }, { x: number; y: number }]): [{ x: number; y: number }, number] {
  return [{ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, Math.hypot(a.x - b.x, a.y - b.y)]
}
