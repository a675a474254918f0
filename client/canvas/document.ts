/** The open workflow between its file and the canvas: load into litegraph's graph, read back out of it. */
import type { NodeTypes } from '../model/node-types.ts'
import { reconcile, type SoundGraph } from '../model/reconcile.ts'
import { writeValues } from '../model/values.ts'
import type { Workflow } from '../model/workflow.ts'
import { LGraphGroup, LiteGraph, type LGraph } from './library.ts'
import { GraphNode, type Workbench } from './node.ts'

/** What stands in a workflow file beside nodes, links and groups. */
export type Frame = Pick<Workflow, 'id' | 'revision' | 'config' | 'extra' | 'definitions' | 'models' | 'subgraphs'>

export const nodesOf = (graph: LGraph): GraphNode[] => graph._nodes.filter((node) => node instanceof GraphNode)

function addGroups(graph: LGraph, workflow: Workflow): void {
  for (const saved of workflow.groups) {
    const group = new LGraphGroup(saved.title)
    group._bounding.set(saved.bounding)
    if (saved.color !== undefined) group.color = saved.color
    if (saved.font_size !== undefined) group.font_size = saved.font_size
    graph.add(group)
  }
}

function addLinks(graph: LGraph, sound: SoundGraph): void {
  for (const link of sound.links) {
    graph.links[link.id] = new LiteGraph.LLink(link.id, link.type, link.from, link.fromSlot, link.to, link.toSlot)
    graph.last_link_id = Math.max(graph.last_link_id, link.id)
  }
}

/** Replaces what is on the canvas. Every object is made here, from checked values: litegraph's own `configure` is never called. */
export function loadInto(graph: LGraph, workflow: Workflow, types: NodeTypes, bench: Workbench): Frame {
  const sound = reconcile(workflow, types)
  graph.clear()
  for (const saved of sound.nodes)
    graph.add(new GraphNode(saved.type, types.get(saved.type) ?? null, bench, saved), true)
  addLinks(graph, sound)
  addGroups(graph, workflow)
  graph.updateExecutionOrder()
  graph.setDirtyCanvas(true, true)
  const { id, revision, config, extra, definitions, models, subgraphs } = workflow
  return { id, revision, config, extra, definitions, models, subgraphs }
}

const round = (value: number): number => Math.round(value * 100) / 100

/** One node as the file stores it. */
function nodeEntry(node: GraphNode): Record<string, unknown> {
  const type = node.nodeType
  return {
    id: node.id,
    type: node.type,
    pos: [round(node.pos[0]), round(node.pos[1])],
    size: [round(node.size[0]), round(node.size[1])],
    flags: { ...node.flags },
    order: node.order,
    mode: node.mode,
    inputs: node.inputs.map(({ name, type: kind, link, widget }) => ({
      name,
      type: kind,
      link,
      ...(widget ? { widget } : {}),
    })),
    outputs: node.outputs.map(({ name, type: kind, links }) => ({
      name,
      type: kind,
      links: links && links.length > 0 ? [...links] : null,
    })),
    properties: { 'Node name for S&R': node.type, ...node.properties },
    widgets_values: type ? writeValues(type, node.values) : (node.original?.widgets_values ?? []),
    ...(node.title !== (type?.title ?? node.type) ? { title: node.title } : {}),
    ...(node.color === undefined ? {} : { color: node.color }),
    ...(node.bgcolor === undefined ? {} : { bgcolor: node.bgcolor }),
  }
}

function groupEntry(group: LGraphGroup): Record<string, unknown> {
  return {
    title: group.title,
    bounding: Array.from(group._bounding, round),
    color: group.color,
    font_size: group.font_size,
  }
}

/** The workflow file (format 0.4) of what is on the canvas. `only` keeps some nodes and the links among them. */
export function workflowJson(graph: LGraph, frame: Frame, only?: ReadonlySet<GraphNode>): Record<string, unknown> {
  graph.updateExecutionOrder()
  const nodes = nodesOf(graph).filter((node) => !only || only.has(node))
  const ids = new Set(nodes.map((node) => node.id))
  const links = Object.values(graph.links).filter((link) => ids.has(link.origin_id) && ids.has(link.target_id))
  return {
    ...(frame.id === undefined ? {} : { id: frame.id }),
    ...(frame.revision === undefined ? {} : { revision: frame.revision }),
    last_node_id: graph.last_node_id,
    last_link_id: graph.last_link_id,
    nodes: nodes.map(nodeEntry).sort((a, b) => Number(a['id']) - Number(b['id'])),
    links: links.map((l) => [l.id, l.origin_id, l.origin_slot, l.target_id, l.target_slot, l.type]),
    groups: only ? [] : graph._groups.map(groupEntry),
    config: frame.config,
    extra: frame.extra,
    ...(frame.definitions === undefined ? {} : { definitions: frame.definitions }),
    ...(frame.models === undefined ? {} : { models: frame.models }),
    version: 0.4,
  }
}
