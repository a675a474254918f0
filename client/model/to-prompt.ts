/** Workflow to API prompt, by the rules of ComfyUI's editor: muted, bypassed, rerouted and nested nodes are resolved. */
import { resolveChoices } from './choices.ts'
import type { InputType, NodeTypes } from './node-types.ts'
import { readValues, widgetInputs, wireLiteral } from './values.ts'
import type { Subgraph, Workflow, WorkflowInput, WorkflowLink, WorkflowNode } from './workflow.ts'

export interface PromptNode {
  class_type: string
  inputs: Record<string, unknown>
  _meta?: { title: string }
}
export type Prompt = Record<string, PromptNode>

const MUTED = 2
const BYPASSED = 4
/** Ids that stand for a subgraph's own inputs and outputs in its links. */
const INNER_INPUTS = -10
const INNER_OUTPUTS = -20
/** Deeper nesting or a longer chain of reroutes than any person makes: a definition that contains itself. */
const MAX_DEPTH = 500
const VIRTUAL = new Set(['Reroute', 'PrimitiveNode', 'Note', 'MarkdownNote'])

/** One level of the graph: the workflow itself, or one instance of a subgraph. */
interface Scope {
  readonly prefix: string
  readonly nodes: ReadonlyMap<string, WorkflowNode>
  readonly links: readonly WorkflowLink[]
  readonly parent: { readonly scope: Scope; readonly instance: WorkflowNode } | null
}

/** Where a value comes from; `null` = the link dissolves, 'absent' = its source is muted. */
type Source = { readonly link: [string, number] } | { readonly literal: unknown } | 'absent' | null

const scopeOf = (
  level: { nodes: readonly WorkflowNode[]; links: readonly WorkflowLink[] },
  prefix: string,
  parent: Scope['parent'],
): Scope => ({
  prefix,
  nodes: new Map(level.nodes.map((node) => [String(node.id), node])),
  links: level.links,
  parent,
})

/** Types fit when equal, when either is '*', or when comma lists overlap. */
export function typesFit(a: string, b: string): boolean {
  if (a === '*' || b === '*' || a === '' || b === '') return true
  const right = b.split(',').map((part) => part.trim())
  return a.split(',').some((part) => right.includes(part.trim()))
}

/** The input whose value a bypassed node passes on for an output of this type, by ComfyUI's order of preference. */
export function bypassInput(inputs: readonly WorkflowInput[], slot: number, type: string): number {
  const same = inputs[slot]
  if (same && typesFit(same.type, type)) return slot
  const exact = inputs.findIndex((input) => input.type === type)
  return exact >= 0 ? exact : inputs.findIndex((input) => typesFit(input.type, type))
}

class Resolver {
  private readonly subgraphs: ReadonlyMap<string, Subgraph>
  private readonly children = new Map<string, Scope>()
  constructor(subgraphs: readonly Subgraph[]) {
    this.subgraphs = new Map(subgraphs.map((subgraph) => [subgraph.id, subgraph]))
  }

  definition(node: WorkflowNode): Subgraph | undefined {
    return this.subgraphs.get(node.type)
  }

  /** The inside of a subgraph instance. */
  inside(scope: Scope, instance: WorkflowNode, definition: Subgraph): Scope {
    const prefix = `${scope.prefix}${instance.id}:`
    if (prefix.split(':').length > 50) throw new Error(`Subgraph '${definition.name}' contains itself.`)
    let child = this.children.get(prefix)
    if (!child) this.children.set(prefix, (child = scopeOf(definition, prefix, { scope, instance })))
    return child
  }

  /** What the input of a node is linked to. */
  input(scope: Scope, node: WorkflowNode, slot: number, depth = 0): Source {
    const link = linkTo(scope, node, slot)
    return link ? this.output(scope, String(link.from), link.fromSlot, depth + 1) : null
  }

  private output(scope: Scope, id: string, slot: number, depth: number): Source {
    if (depth > MAX_DEPTH) return null
    if (id === String(INNER_INPUTS))
      return scope.parent ? this.input(scope.parent.scope, scope.parent.instance, slot, depth) : null
    const node = scope.nodes.get(id)
    if (!node) return null
    if (node.mode === MUTED) return 'absent'
    if (node.mode === BYPASSED) return this.bypassed(scope, node, slot, depth)
    if (node.type === 'Reroute') return this.input(scope, node, 0, depth)
    if (node.type === 'PrimitiveNode')
      return { literal: Array.isArray(node.widgets_values) ? node.widgets_values[0] : undefined }
    const definition = this.definition(node)
    if (definition) return this.nested(this.inside(scope, node, definition), slot, depth)
    return { link: [`${scope.prefix}${id}`, slot] }
  }

  private bypassed(scope: Scope, node: WorkflowNode, slot: number, depth: number): Source {
    const inputs = node.inputs ?? []
    const chosen = bypassInput(inputs, slot, node.outputs?.[slot]?.type ?? '*')
    return chosen < 0 ? null : this.input(scope, node, chosen, depth)
  }

  private nested(inner: Scope, slot: number, depth: number): Source {
    const link = inner.links.find((l) => String(l.to) === String(INNER_OUTPUTS) && l.toSlot === slot)
    return link ? this.output(inner, String(link.from), link.fromSlot, depth + 1) : null
  }
}

/** The link into an input: by the input's own link id where it stands, else by the table of links. */
function linkTo(scope: Scope, node: WorkflowNode, slot: number): WorkflowLink | undefined {
  const id = node.inputs?.[slot]?.link
  if (typeof id !== 'number') return undefined
  return scope.links.find((link) => link.id === id)
}

/** Literals of a node by input name, as its widgets hold them. */
function literalsOf(node: WorkflowNode, types: NodeTypes): Record<string, unknown> {
  const type = types.get(node.type)
  if (!type) return {}
  const { literals } = readValues(type, node.widgets_values)
  const resolved = ({ name, widget }: InputType): unknown => {
    const value = literals.get(name)
    const choices = widget?.kind === 'text' && widget.choices && typeof value === 'string'
    return wireLiteral(choices ? resolveChoices(value) : value)
  }
  return Object.fromEntries(widgetInputs(type).map((input) => [input.name, resolved(input)]))
}

function promptNode(resolver: Resolver, scope: Scope, node: WorkflowNode, types: NodeTypes): PromptNode {
  const inputs = literalsOf(node, types)
  ;(node.inputs ?? []).forEach((input, slot) => {
    const source = resolver.input(scope, node, slot)
    if (source === null) return
    if (source === 'absent') Reflect.deleteProperty(inputs, input.name)
    else inputs[input.name] = 'link' in source ? source.link : wireLiteral(source.literal)
  })
  const title = node.title ?? types.get(node.type)?.title ?? node.type
  return { class_type: node.type, inputs, _meta: { title } }
}

function collect(resolver: Resolver, scope: Scope, types: NodeTypes, prompt: Prompt): void {
  const nodes = [...scope.nodes.values()].sort((a, b) => a.order - b.order)
  for (const node of nodes) {
    if (node.mode === MUTED || node.mode === BYPASSED || VIRTUAL.has(node.type)) continue
    const definition = resolver.definition(node)
    if (definition) collect(resolver, resolver.inside(scope, node, definition), types, prompt)
    else prompt[`${scope.prefix}${node.id}`] = promptNode(resolver, scope, node, types)
  }
}

/** The API prompt of a workflow. Classes that are not in `types` are kept, so that the server can name them. */
export function toPrompt(workflow: Workflow, types: NodeTypes): Prompt {
  const prompt: Prompt = {}
  collect(new Resolver(workflow.subgraphs), scopeOf(workflow, '', null), types, prompt)
  return prompt
}
