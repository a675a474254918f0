/** The canvas: litegraph's drawing with sharp pixels, our wheel and keys, and every built-in dialog replaced. */
import {
  LGraphCanvas,
  type CanvasPointerEvent,
  type ConnectionMenu,
  type LGraph,
  type LGraphNode,
  type LLink,
  type Point,
} from './library.ts'
import { FONT, THEME, typeColor } from './theme.ts'

/** What the editor does where litegraph would open a dialog of its own. */
export interface SurfaceHost {
  nodeMenu(node: LGraphNode, event: CanvasPointerEvent): void
  canvasMenu(event: CanvasPointerEvent): void
  linkMenu(link: LLink, event: CanvasPointerEvent): void
  /** A wire was dropped on empty canvas. */
  wireDropped(options: ConnectionMenu): void
  renameNode(node: LGraphNode): void
}

const MIN_SCALE = 0.1
const MAX_SCALE = 4
const READABLE = 0.3
const GRID = 40

export class Surface extends LGraphCanvas {
  private readonly host: SurfaceHost
  /** Device pixels per CSS pixel. */
  private ratio = 1

  constructor(canvas: HTMLCanvasElement, graph: LGraph, host: SurfaceHost) {
    super(canvas, graph, { autoresize: false, skip_render: true })
    this.host = host
    this.style()
    this.sharpen()
    canvas.removeAttribute('tabindex')
    canvas.tabIndex = 0
    canvas.addEventListener('wheel', (event) => this.zoomByWheel(event), { passive: false })
    canvas.addEventListener('dblclick', (event) => this.doubleClick(event as CanvasPointerEvent))
    this.fill()
    const frame = (): void => {
      this.draw()
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  }

  private style(): void {
    this.background_image = null
    this.clear_background_color = THEME.background
    this.title_text_font = FONT.title
    this.inner_text_font = FONT.label
    this.node_title_color = THEME.title
    this.default_link_color = THEME.link
    this.default_connection_color = {
      input_off: THEME.dim,
      input_on: THEME.link,
      output_off: THEME.dim,
      output_on: THEME.link,
    }
    this.default_connection_color_byType = new Proxy<Record<string, string>>(
      {},
      { get: (_, type) => typeColor(String(type)) },
    )
    this.render_canvas_border = false
    this.render_link_tooltip = false
    this.show_info = false
    this.allow_searchbox = false
    this.connections_width = 2.5
    this.round_radius = 7
    this.onDrawBackground = (ctx, area) => drawGrid(ctx, area, this.ds.scale)
    this.ds.min_scale = MIN_SCALE
    this.ds.max_scale = MAX_SCALE
  }

  /** litegraph counts CSS pixels; both canvases hold device pixels, so the difference goes into the transform. */
  private sharpen(): void {
    const { ds } = this
    ds.toCanvasContext = (ctx) => {
      ctx.scale(this.ratio * ds.scale, this.ratio * ds.scale)
      ctx.translate(ds.offset[0], ds.offset[1])
    }
    ds.computeVisibleArea = () => {
      const { width, height } = ds.element
      ds.visible_area[0] = -ds.offset[0]
      ds.visible_area[1] = -ds.offset[1]
      ds.visible_area[2] = width / this.ratio / ds.scale
      ds.visible_area[3] = height / this.ratio / ds.scale
    }
  }

  /** Fits the canvas to its parent, at the screen's resolution. */
  fill(): void {
    const parent = this.canvas.parentElement
    if (!parent) return
    this.ratio = Math.min(3, window.devicePixelRatio || 1)
    const { clientWidth, clientHeight } = parent
    this.canvas.width = Math.max(1, Math.round(clientWidth * this.ratio))
    this.canvas.height = Math.max(1, Math.round(clientHeight * this.ratio))
    this.canvas.style.width = `${clientWidth}px`
    this.canvas.style.height = `${clientHeight}px`
    this.setDirty(true, true)
    this.draw(true, true)
  }

  /** Size of the canvas in CSS pixels. */
  get viewSize(): Point {
    return [this.canvas.width / this.ratio, this.canvas.height / this.ratio]
  }

  /** Middle of the view in graph units. */
  get centre(): Point {
    const [width, height] = this.viewSize
    const { scale, offset } = this.ds
    return [width / 2 / scale - offset[0], height / 2 / scale - offset[1]]
  }

  /** A point of the page to graph units. */
  toGraph(clientX: number, clientY: number): Point {
    const rect = this.canvas.getBoundingClientRect()
    return [
      (clientX - rect.left) / this.ds.scale - this.ds.offset[0],
      (clientY - rect.top) / this.ds.scale - this.ds.offset[1],
    ]
  }

  /** A point in graph units to the page. */
  toPage(x: number, y: number): Point {
    const rect = this.canvas.getBoundingClientRect()
    return [(x + this.ds.offset[0]) * this.ds.scale + rect.left, (y + this.ds.offset[1]) * this.ds.scale + rect.top]
  }

  /** Zooms so that the page point stays where it is. */
  zoomAt(factor: number, clientX: number, clientY: number): void {
    const rect = this.canvas.getBoundingClientRect()
    this.ds.changeScale(Math.min(MAX_SCALE, Math.max(MIN_SCALE, this.ds.scale * factor)), [
      clientX - rect.left,
      clientY - rect.top,
    ])
    this.moved()
  }

  pan(dx: number, dy: number): void {
    this.ds.offset[0] += dx / this.ds.scale
    this.ds.offset[1] += dy / this.ds.scale
    this.moved()
  }

  moved(): void {
    this.setDirty(true, true)
  }

  private zoomByWheel(event: WheelEvent): void {
    event.preventDefault()
    const lines = event.deltaMode === 1 ? 16 : 1
    if (event.shiftKey) this.pan(-(event.deltaX || event.deltaY) * lines, 0)
    else this.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX, event.clientY)
  }

  private doubleClick(event: CanvasPointerEvent): void {
    this.adjustMouseEvent(event)
    const node = this.graph.getNodeOnPos(event.canvasX, event.canvasY)
    if (!node) this.host.canvasMenu(event)
    else if (event.canvasY < node.pos[1]) this.host.renameNode(node)
  }

  /** litegraph drops titles and names below 60 % of full size, where they can still be read; here they go at READABLE. */
  override drawNode(node: LGraphNode, ctx: CanvasRenderingContext2D): void {
    const { scale } = this.ds
    if (scale >= READABLE) this.ds.scale = Math.max(scale, 0.61)
    super.drawNode(node, ctx)
    this.ds.scale = scale
  }

  // What litegraph would do itself, by means that put text into innerHTML or read a global clipboard.
  override processMouseWheel(): undefined {
    return undefined
  }
  override processKey(): undefined {
    return undefined
  }
  override processDrop(event: DragEvent): undefined {
    event.preventDefault()
    return undefined
  }
  override processNodeDblClicked(): void {
    return
  }
  override processContextMenu(node: LGraphNode | null, event: CanvasPointerEvent): void {
    if (node) this.host.nodeMenu(node, event)
    else this.host.canvasMenu(event)
  }
  override showSearchBox(event: CanvasPointerEvent): void {
    this.host.canvasMenu(event)
  }
  override showConnectionMenu(options: ConnectionMenu): void {
    this.host.wireDropped(options)
  }
  override showLinkMenu(link: LLink, event: CanvasPointerEvent): boolean {
    this.host.linkMenu(link, event)
    return false
  }
  override copyToClipboard(): void {
    return
  }
  override pasteFromClipboard(): void {
    return
  }
  override checkPanels(): void {
    return
  }
  override prompt(): void {
    return
  }
}

// LGraph.attachCanvas compares constructors and would refuse a subclass.
Surface.prototype.constructor = LGraphCanvas

/** A quiet dot grid that thins out when zoomed away. */
function drawGrid(ctx: CanvasRenderingContext2D, area: Float32Array, scale: number): void {
  if (scale < 0.3) return
  const [left = 0, top = 0, width = 0, height = 0] = area
  ctx.fillStyle = THEME.grid
  const dot = Math.max(1, 1.5 / scale)
  for (let x = Math.floor(left / GRID) * GRID; x < left + width; x += GRID)
    for (let y = Math.floor(top / GRID) * GRID; y < top + height; y += GRID) ctx.fillRect(x, y, dot, dot)
}
