/** A workflow made consistent with the node classes of this server: whole-number ids, today's sockets, links both ends agree on. */
import { groupTypes } from '../../formats/workflow/group-nodes.ts'
import type { NodeType, NodeTypes } from './node-types.ts'
import type { Workflow, WorkflowInput, WorkflowLink, WorkflowNode, WorkflowOutput } from './workflow.ts'

/** A node whose id and sockets can be trusted. */
export interface SoundNode extends Omit<WorkflowNode, 'id' | 'inputs' | 'outputs'> {
  readonly id: number
  readonly inputs: WorkflowInput[]
  readonly outputs: WorkflowOutput[]
  /** False when neither the server nor the workflow has such a class: the node is shown as a placeholder and keeps its data. */
  readonly known: boolean
}
export interface SoundLink {
  readonly id: number
  readonly from: number
  readonly fromSlot: number
  readonly to: number
  readonly toSlot: number
  readonly type: string
}
export interface SoundGraph {
  readonly nodes: SoundNode[]
  readonly links: SoundLink[]
}

/** The sockets of a class: its link-only inputs first, then one for every widget that a link may feed. */
export function socketsOf(type: NodeType): WorkflowInput[] {
  const plain = type.inputs.filter((input) => !input.widget)
  const fed = type.inputs.filter((input) => input.widget?.linkable)
  return [
    ...plain.map(({ name, type: kind }) => ({ name, type: kind, link: null })),
    ...fed.map(({ name, type: kind }) => ({ name, type: kind, link: null, widget: { name } })),
  ]
}

/** Inputs of the class, and those that the file has linked but the class does not declare (variadic nodes), before the fields. */
function inputsOf(node: WorkflowNode, type: NodeType): WorkflowInput[] {
  const declared = socketsOf(type)
  const names = new Set(declared.map((input) => input.name))
  const extra = (node.inputs ?? []).filter((input) => !names.has(input.name) && typeof input.link === 'number')
  return [
    ...declared.filter((input) => !input.widget),
    ...extra.map(({ name, type: kind }) => ({ name, type: kind, link: null })),
    ...declared.filter((input) => input.widget),
  ]
}

function outputsOf(node: WorkflowNode, type: NodeType): WorkflowOutput[] {
  const declared: WorkflowOutput[] = type.outputs.map(({ name, type: kind }) => ({ name, type: kind, links: [] }))
  // A wildcard output (Reroute) keeps the type that the file gives it, for the colour of its wires.
  return declared.map((output, i) =>
    output.type === '*' ? { ...output, type: node.outputs?.[i]?.type ?? '*' } : output,
  )
}

function soundNode(node: WorkflowNode, id: number, type: NodeType | undefined, nested: boolean): SoundNode {
  return {
    ...node,
    id,
    known: type !== undefined || nested,
    inputs: type ? inputsOf(node, type) : (node.inputs ?? []).map((input) => ({ ...input, link: null })),
    outputs: type ? outputsOf(node, type) : (node.outputs ?? []).map((output) => ({ ...output, links: [] })),
  }
}

/** Whole-number ids as they are, all others (text, repeated) replaced by fresh ones. */
function renumber(nodes: readonly WorkflowNode[]): Map<WorkflowNode, number> {
  const ids = new Map<WorkflowNode, number>()
  const taken = new Set<number>()
  const wanted = (node: WorkflowNode): number =>
    typeof node.id === 'number' ? node.id : /^\d{1,9}$/.test(node.id) ? Number(node.id) : -1
  for (const node of nodes) {
    const id = wanted(node)
    if (id < 0 || id > 2 ** 31 || taken.has(id)) continue
    taken.add(id)
    ids.set(node, id)
  }
  let next = Math.max(0, ...taken) + 1
  for (const node of nodes) if (!ids.has(node)) ids.set(node, next++)
  return ids
}

/** Index of the target socket today, from the socket's name in the file. */
function targetSlot(link: WorkflowLink, before: WorkflowNode, now: SoundNode): number {
  const name = before.inputs?.[link.toSlot]?.name
  return name === undefined
    ? before.inputs?.length
      ? -1
      : link.toSlot
    : now.inputs.findIndex((input) => input.name === name)
}

/** A value that feeds fields of other nodes; queueing writes it into them. */
const PRIMITIVE = 'PrimitiveNode'

/** Names of a workflow's old group nodes. */
const groupsIn = ({ groupNodes }: Workflow['extra']): string[] =>
  typeof groupNodes === 'object' && groupNodes !== null ? Object.keys(groupNodes) : []

/** Makes every node and link of a checked workflow fit the classes; links that lead nowhere are dropped. */
export function reconcile(workflow: Workflow, types: NodeTypes): SoundGraph {
  const groups = groupTypes(groupsIn(workflow.extra))
  const nested = new Set([...workflow.subgraphs.map(({ id }) => id), ...groups, PRIMITIVE])
  const ids = renumber(workflow.nodes)
  const before = new Map(workflow.nodes.map((node) => [String(node.id), node]))
  const sound = new Map(
    workflow.nodes.map((node) => [node, soundNode(node, ids.get(node)!, types.get(node.type), nested.has(node.type))]),
  )
  const links: SoundLink[] = []
  const used = new Set<number>()
  for (const link of workflow.links) {
    const [from, to] = [before.get(String(link.from)), before.get(String(link.to))]
    if (!from || !to || used.has(link.id) || link.id < 0) continue
    const [source, target] = [sound.get(from)!, sound.get(to)!]
    const toSlot = targetSlot(link, to, target)
    const [output, input] = [source.outputs[link.fromSlot], target.inputs[toSlot]]
    if (!output || !input || typeof input.link === 'number') continue
    used.add(link.id)
    input.link = link.id
    output.links = [...(output.links ?? []), link.id]
    links.push({
      id: link.id,
      from: source.id,
      fromSlot: link.fromSlot,
      to: target.id,
      toSlot,
      type: output.type === '*' ? link.type : output.type,
    })
  }
  return { nodes: [...sound.values()], links }
}
