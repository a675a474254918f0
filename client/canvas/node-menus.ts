/** The menus of the canvas: for a node, for a wire, for empty space, and the search for a node to add. */
import { typesFit } from '../../formats/workflow/to-prompt.ts'
import type { NodeType } from '../model/node-types.ts'
import type { Commands, OpenWire } from './commands.ts'
import type { LLink, Point } from './library.ts'
import { openMenu, type MenuItem } from './menu.ts'
import { BYPASSED, MUTED, type GraphNode } from './node.ts'

interface At {
  /** Page coordinates of the menu. */
  readonly page: Point
  /** Where on the canvas something new goes. */
  readonly graph: Point
}

const fits = (type: NodeType, wire: OpenWire): boolean =>
  wire.forward
    ? type.inputs.some((input) => typesFit(input.type, wire.type))
    : type.outputs.some((output) => typesFit(output.type, wire.type))

/** The search for a node class; with a wire, only classes that it can be joined to. */
export function searchNodes(commands: Commands, at: At, wire: OpenWire | null = null): void {
  const types = [...commands.types.values()]
    .filter((type) => !type.deprecated && (!wire || fits(type, wire)))
    .sort((a, b) => a.category.localeCompare(b.category) || a.title.localeCompare(b.title))
  openMenu({
    x: at.page[0],
    y: at.page[1],
    name: wire ? `Add a node for ${wire.type}` : 'Add a node',
    filter: true,
    minWidth: 300,
    items: types.map((type) => ({
      label: type.title,
      hint: [type.category, ...type.aliases].join(' '),
      choose: () => void commands.add(type, at.graph, wire),
    })),
  })
}

export function canvasMenu(commands: Commands, at: At, host: { paste: () => void; fit: () => void }): void {
  const selected = commands.selected
  openMenu({
    x: at.page[0],
    y: at.page[1],
    name: 'Canvas',
    items: [
      { label: 'Add a node…', hint: 'double-click', choose: () => searchNodes(commands, at) },
      { label: 'Add a group', hint: 'Ctrl G', choose: () => commands.group(selected, at.graph) },
      { label: 'Paste', hint: 'Ctrl V', separated: true, choose: host.paste },
      { label: 'Select all', hint: 'Ctrl A', choose: () => commands.selectAll() },
      { label: 'Show everything', hint: '.', separated: true, choose: host.fit },
    ],
  })
}

export function nodeMenu(
  commands: Commands,
  node: GraphNode,
  at: At,
  host: { rename: () => void; copy: () => void },
): void {
  const nodes = commands.selected.includes(node) ? commands.selected : [node]
  const many = nodes.length > 1 ? ` (${nodes.length})` : ''
  const items: MenuItem[] = [
    { label: 'Rename', hint: 'double-click', choose: host.rename },
    { label: `Copy${many}`, hint: 'Ctrl C', separated: true, choose: host.copy },
    { label: `Duplicate${many}`, hint: 'Ctrl D', choose: () => commands.duplicate(nodes) },
    { label: `Group${many}`, hint: 'Ctrl G', choose: () => commands.group(nodes, at.graph) },
    {
      label: node.mode === BYPASSED ? 'Stop bypassing' : `Bypass${many}`,
      hint: 'Ctrl B',
      separated: true,
      choose: () => commands.toggleMode(BYPASSED, nodes),
    },
    {
      label: node.mode === MUTED ? 'Unmute' : `Mute${many}`,
      hint: 'Ctrl M',
      choose: () => commands.toggleMode(MUTED, nodes),
    },
    { label: node.flags.collapsed ? 'Expand' : `Collapse${many}`, choose: () => commands.collapse(nodes) },
    { label: `Delete${many}`, hint: 'Del', separated: true, choose: () => commands.remove(nodes) },
  ]
  openMenu({ x: at.page[0], y: at.page[1], name: node.title, items })
}

export function linkMenu(link: LLink, at: At, host: { cut: () => void; reroute: () => void }): void {
  openMenu({
    x: at.page[0],
    y: at.page[1],
    name: `Wire of type ${link.type}`,
    items: [
      { label: 'Add a reroute', choose: host.reroute },
      { label: 'Delete the wire', choose: host.cut },
    ],
  })
}
