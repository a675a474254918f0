/** The part of litegraph.js 0.7.18 (core build) that the editor uses; the package has no types of its own for it. */
declare module 'litegraph.js/build/litegraph.core.js' {
  export type Point = [number, number]
  export interface Slot {
    name: string
    type: string
    label?: string
    /** Place relative to the node; without it slots stand in a column. */
    pos?: Point
    color_on?: string
    color_off?: string
    widget?: { name: string } | undefined
  }
  export interface InputSlot extends Slot {
    link: number | null
  }
  export interface OutputSlot extends Slot {
    links: number[] | null
    slot_index?: number
  }
  export interface LLink {
    id: number
    type: string
    origin_id: number
    origin_slot: number
    target_id: number
    target_slot: number
    color?: string
  }
  export class LGraphGroup {
    constructor(title?: string)
    title: string
    color: string
    font_size: number
    pos: Point
    size: Point
    _bounding: Float32Array
    recomputeInsideNodes(): void
  }
  export class LGraphNode {
    constructor(title?: string)
    id: number
    type: string | null
    title: string
    graph: LGraph | null
    pos: Point
    size: Point
    flags: { collapsed?: boolean | undefined; pinned?: boolean | undefined }
    mode: number
    order: number
    color?: string
    bgcolor?: string
    boxcolor?: string
    inputs: InputSlot[]
    outputs: OutputSlot[]
    properties: Record<string, unknown>
    is_selected?: boolean
    mouseOver?: boolean
    getTitle(): string
    computeSize(): Point
    setSize(size: Point): void
    connect(slot: number, target: LGraphNode, targetSlot: number): LLink | null
    disconnectInput(slot: number): boolean
    disconnectOutput(slot: number, target?: LGraphNode): boolean
    getConnectionPos(input: boolean, slot: number): Point | Float32Array
    collapse(force?: boolean): void
    pin(value?: boolean): void
    onDrawForeground?(ctx: CanvasRenderingContext2D): void
    onDrawBackground?(ctx: CanvasRenderingContext2D): void
    onMouseDown?(event: CanvasPointerEvent, pos: Point, canvas: LGraphCanvas): boolean
    onConnectionsChange?(): void
  }
  export class LGraph {
    _nodes: LGraphNode[]
    _groups: LGraphGroup[]
    links: Record<number, LLink>
    config: Record<string, unknown>
    extra: Record<string, unknown>
    last_node_id: number
    last_link_id: number
    onAfterChange?: () => void
    onConnectionChange?: () => void
    clear(): void
    add(item: LGraphNode | LGraphGroup, skipOrder?: boolean): void
    remove(item: LGraphNode | LGraphGroup): void
    removeLink(id: number): void
    getNodeById(id: number): LGraphNode | null
    updateExecutionOrder(): void
    setDirtyCanvas(front: boolean, back?: boolean): void
    getNodeOnPos(x: number, y: number): LGraphNode | null
    getGroupOnPos(x: number, y: number): LGraphGroup | null
    change(): void
  }
  export class DragAndScale {
    element: HTMLCanvasElement
    scale: number
    offset: Point
    min_scale: number
    max_scale: number
    visible_area: Float32Array
    changeScale(scale: number, centre: Point): void
    toCanvasContext(ctx: CanvasRenderingContext2D): void
    computeVisibleArea(viewport?: unknown): void
  }
  export interface CanvasPointerEvent extends PointerEvent {
    canvasX: number
    canvasY: number
  }
  export interface ConnectionMenu {
    nodeFrom?: LGraphNode
    slotFrom?: OutputSlot
    nodeTo?: LGraphNode
    slotTo?: InputSlot
    e: CanvasPointerEvent
  }
  export class LGraphCanvas {
    constructor(canvas: HTMLCanvasElement, graph: LGraph, options?: { autoresize?: boolean; skip_render?: boolean })
    static link_type_colors: Record<string, string>
    canvas: HTMLCanvasElement
    bgcanvas: HTMLCanvasElement
    graph: LGraph
    ds: DragAndScale
    selected_nodes: Record<number, LGraphNode>
    default_connection_color_byType: Record<string, string>
    default_connection_color: { input_off: string; input_on: string; output_off: string; output_on: string }
    title_text_font: string
    inner_text_font: string
    node_title_color: string
    default_link_color: string
    clear_background_color: string
    background_image: string | null
    render_shadows: boolean
    render_canvas_border: boolean
    render_connections_border: boolean
    render_link_tooltip: boolean
    show_info: boolean
    allow_searchbox: boolean
    multi_select: boolean
    round_radius: number
    connections_width: number
    read_only: boolean
    pointer_is_down: boolean
    dragging_canvas: boolean
    node_dragged: LGraphNode | null
    connecting_node: LGraphNode | null
    onNodeMoved: (() => void) | null
    onSelectionChange: (() => void) | null
    onDrawBackground: ((ctx: CanvasRenderingContext2D, area: Float32Array) => void) | null
    setDirty(front: boolean, back: boolean): void
    adjustMouseEvent(event: CanvasPointerEvent): void
    draw(front?: boolean, back?: boolean): void
    drawNode(node: LGraphNode, ctx: CanvasRenderingContext2D): void
    selectNodes(nodes?: LGraphNode[], add?: boolean): void
    deselectAllNodes(): void
    deleteSelectedNodes(): void
    convertOffsetToCanvas(pos: Point): Point
    processMouseDown(event: CanvasPointerEvent): boolean | undefined
    processMouseWheel(event: WheelEvent): boolean | undefined
    processKey(event: KeyboardEvent): boolean | undefined
    processDrop(event: DragEvent): boolean | undefined
    processContextMenu(node: LGraphNode | null, event: CanvasPointerEvent): void
    processNodeDblClicked(node: LGraphNode): void
    showSearchBox(event: CanvasPointerEvent): void
    showConnectionMenu(options: ConnectionMenu): void
    showLinkMenu(link: LLink, event: CanvasPointerEvent): boolean
    copyToClipboard(): void
    pasteFromClipboard(): void
    checkPanels(): void
    prompt(): void
  }
  export const LiteGraph: {
    NODE_TITLE_HEIGHT: number
    NODE_TITLE_TEXT_Y: number
    NODE_SLOT_HEIGHT: number
    NODE_TEXT_SIZE: number
    NODE_SUBTEXT_SIZE: number
    NODE_TEXT_COLOR: string
    NODE_TITLE_COLOR: string
    NODE_SELECTED_TITLE_COLOR: string
    NODE_DEFAULT_COLOR: string
    NODE_DEFAULT_BGCOLOR: string
    NODE_DEFAULT_BOXCOLOR: string
    NODE_BOX_OUTLINE_COLOR: string
    DEFAULT_SHADOW_COLOR: string
    LINK_COLOR: string
    CONNECTING_LINK_COLOR: string
    MAX_NUMBER_OF_NODES: number
    ALWAYS: number
    NEVER: number
    pointerevents_method: 'mouse' | 'pointer'
    release_link_on_empty_shows_menu: boolean
    dialog_close_on_mouse_leave: boolean
    search_hide_on_mouse_leave: boolean
    isValidConnection(a: string, b: string): boolean
    /** Exported here only. */
    LLink: new (
      id: number,
      type: string,
      origin: number,
      originSlot: number,
      target: number,
      targetSlot: number,
    ) => LLink
  }
}
