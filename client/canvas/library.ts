/** The one place where litegraph.js is loaded, with the settings that the editor relies on. */
import { LGraphCanvas, LiteGraph } from 'litegraph.js/build/litegraph.core.js'
import { THEME, TYPE_COLORS } from './theme.ts'

LiteGraph.MAX_NUMBER_OF_NODES = 20_000
LiteGraph.pointerevents_method = 'pointer'
LiteGraph.release_link_on_empty_shows_menu = true
LiteGraph.dialog_close_on_mouse_leave = false
LiteGraph.search_hide_on_mouse_leave = false
LiteGraph.NODE_TEXT_SIZE = 13
LiteGraph.NODE_SUBTEXT_SIZE = 12
LiteGraph.NODE_TEXT_COLOR = THEME.label
LiteGraph.NODE_TITLE_COLOR = THEME.title
LiteGraph.NODE_SELECTED_TITLE_COLOR = '#ffffff'
LiteGraph.NODE_DEFAULT_COLOR = THEME.nodeTitle
LiteGraph.NODE_DEFAULT_BGCOLOR = THEME.node
LiteGraph.NODE_DEFAULT_BOXCOLOR = THEME.dim
LiteGraph.NODE_BOX_OUTLINE_COLOR = THEME.selection
LiteGraph.DEFAULT_SHADOW_COLOR = 'rgba(0,0,0,0.35)'
LiteGraph.LINK_COLOR = THEME.link
LiteGraph.CONNECTING_LINK_COLOR = THEME.accent
Object.assign(LGraphCanvas.link_type_colors, TYPE_COLORS)

export {
  LGraph,
  LGraphCanvas,
  LGraphGroup,
  LGraphNode,
  LiteGraph,
  type LLink,
  type CanvasPointerEvent,
  type ConnectionMenu,
  type InputSlot,
  type OutputSlot,
  type Point,
} from 'litegraph.js/build/litegraph.core.js'
