/** What a person can do to the graph: add, copy, paste, mute, bypass, group, delete. Each ends in one step of undo. */
import { typesFit } from '../../formats/workflow/to-prompt.ts'
import type { Proposal } from '../sdk/heddle.ts'
import type { NodeType, NodeTypes } from '../model/node-types.ts'
import { parseJson, stringifyJson } from '../sdk/json.ts'
import { reconcile } from '../model/reconcile.ts'
import { isWorkflow, parseWorkflow } from '../model/workflow.ts'
import { nodesOf, workflowJson, type Frame } from './document.ts'
import { LGraphGroup, type InputSlot, type OutputSlot, type Point } from './library.ts'
import { BYPASSED, GraphNode, MUTED, type Workbench } from './node.ts'
import type { Surface } from './surface.ts'

/** A wire that is being drawn: the new node should be joined to it. */
export interface OpenWire {
  readonly node: GraphNode
  readonly slot: number
  /** True when the wire starts at an output. */
  readonly forward: boolean
  readonly type: string
}

export class Commands {
  private readonly surface: Surface
  private readonly bench: Workbench
  private readonly changed: () => void
  types: NodeTypes = new Map()
  frame: Frame

  constructor(surface: Surface, bench: Workbench, frame: Frame, changed: () => void) {
    this.surface = surface
    this.bench = bench
    this.frame = frame
    this.changed = changed
  }

  get selected(): GraphNode[] {
    return Object.values(this.surface.selected_nodes).filter((node) => node instanceof GraphNode)
  }

  private done(): void {
    this.surface.setDirty(true, true)
    this.changed()
  }

  /** Adds a node of a class, joined to `wire` where one of its slots fits. */
  add(type: NodeType, at: Point, wire: OpenWire | null = null): GraphNode {
    const node = new GraphNode(type.name, type, this.bench, null)
    node.pos = wire && !wire.forward ? [at[0] - node.size[0], at[1]] : at
    this.surface.graph.add(node)
    if (wire) this.join(node, wire)
    this.surface.selectNodes([node])
    this.done()
    return node
  }

  private join(node: GraphNode, wire: OpenWire): void {
    if (wire.forward) {
      const slot = firstFit(node.inputs, wire.type)
      if (slot >= 0) wire.node.connect(wire.slot, node, slot)
    } else {
      const slot = firstFit(node.outputs, wire.type)
      if (slot >= 0) node.connect(slot, wire.node, wire.slot)
    }
  }

  remove(nodes: readonly GraphNode[] = this.selected): void {
    for (const node of nodes) this.surface.graph.remove(node)
    this.surface.deselectAllNodes()
    this.done()
  }

  /** Switches muting or bypassing of the nodes; mixed ones all get it. */
  toggleMode(mode: typeof MUTED | typeof BYPASSED, nodes: readonly GraphNode[] = this.selected): void {
    const all = nodes.every((node) => node.mode === mode)
    for (const node of nodes) node.mode = all ? 0 : mode
    this.done()
  }

  /** Writes proposed values into the fields of the nodes at a node's inputs; returns the titles of those that took some. */
  adopt(node: GraphNode, proposals: readonly Proposal[]): string[] {
    const taken = proposals.flatMap(({ input, values }) => {
      const link = this.surface.graph.links[node.inputs.find(({ name }) => name === input)?.link ?? -1]
      const before = link && this.surface.graph.getNodeById(link.origin_id)
      if (!(before instanceof GraphNode)) return []
      const known = Object.entries(values).filter(([name]) => before.values.literals.has(name) && !before.linked(name))
      for (const [name, value] of known) before.values.literals.set(name, value)
      return known.length > 0 ? [before.title] : []
    })
    if (taken.length > 0) this.done()
    return taken
  }

  collapse(nodes: readonly GraphNode[] = this.selected): void {
    for (const node of nodes) node.collapse(true)
    this.done()
  }

  /** The selected nodes as the text of a workflow file, or null when none is selected. */
  copy(nodes: readonly GraphNode[] = this.selected): string | null {
    if (nodes.length === 0) return null
    return stringifyJson(workflowJson(this.surface.graph, { ...this.frame, extra: {}, config: {} }, new Set(nodes)))
  }

  /** Adds the nodes of a workflow text around `centre`; false when the text is no workflow. Throws WorkflowError for a broken one. */
  paste(text: string, centre: Point): boolean {
    let json: unknown
    try {
      json = parseJson(text)
    } catch {
      return false
    }
    if (!isWorkflow(json)) return false
    const sound = reconcile(parseWorkflow(json), this.types)
    if (sound.nodes.length === 0) return false
    const left = Math.min(...sound.nodes.map((node) => node.pos[0]))
    const top = Math.min(...sound.nodes.map((node) => node.pos[1]))
    const right = Math.max(...sound.nodes.map((node) => node.pos[0] + (node.size?.[0] ?? 200)))
    const bottom = Math.max(...sound.nodes.map((node) => node.pos[1] + (node.size?.[1] ?? 100)))
    const shift = [centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2]
    const added = new Map<number, GraphNode>()
    for (const saved of sound.nodes) {
      const bare = {
        ...saved,
        id: -1,
        pos: [saved.pos[0] + shift[0]!, saved.pos[1] + shift[1]!] as [number, number],
        inputs: saved.inputs.map((input) => ({ ...input, link: null })),
        outputs: saved.outputs.map((output) => ({ ...output, links: [] })),
      }
      const node = new GraphNode(saved.type, this.types.get(saved.type) ?? null, this.bench, bare)
      this.surface.graph.add(node)
      added.set(saved.id, node)
    }
    for (const link of sound.links) added.get(link.from)?.connect(link.fromSlot, added.get(link.to)!, link.toSlot)
    this.surface.selectNodes([...added.values()])
    this.done()
    return true
  }

  /** Copies the nodes beside themselves. */
  duplicate(nodes: readonly GraphNode[] = this.selected): void {
    const text = this.copy(nodes)
    if (text === null) return
    const box = bounds(nodes)
    this.paste(text, [box.x + box.width / 2 + 40, box.y + box.height / 2 + 40])
  }

  /** Puts a frame around the nodes, or an empty one at a point. */
  group(nodes: readonly GraphNode[], at: Point): void {
    const group = new LGraphGroup('Group')
    const box = nodes.length > 0 ? bounds(nodes) : { x: at[0], y: at[1] + 40, width: 320, height: 160 }
    group._bounding.set([box.x - 20, box.y - 70, box.width + 40, box.height + 90])
    group.color = '#3b4454'
    this.surface.graph.add(group)
    this.done()
  }

  selectAll(): void {
    this.surface.selectNodes(nodesOf(this.surface.graph))
    this.surface.setDirty(true, false)
  }
}

/** The first free slot of a fitting type, else the first fitting one, else -1. */
function firstFit(slots: readonly (InputSlot | OutputSlot)[], type: string): number {
  const free = slots.findIndex((slot) => typesFit(slot.type, type) && !('link' in slot && slot.link !== null))
  return free >= 0 ? free : slots.findIndex((slot) => typesFit(slot.type, type))
}

/** The rectangle around nodes, without their titles. */
export function bounds(nodes: readonly GraphNode[]): { x: number; y: number; width: number; height: number } {
  const x = Math.min(...nodes.map((node) => node.pos[0]))
  const y = Math.min(...nodes.map((node) => node.pos[1]))
  return {
    x,
    y,
    width: Math.max(...nodes.map((node) => node.pos[0] + node.size[0])) - x,
    height: Math.max(...nodes.map((node) => node.pos[1] + node.size[1])) - y,
  }
}
