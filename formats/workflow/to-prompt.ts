/** Saved workflow to API prompt, by the rules of ComfyUI's editor: what is muted, bypassed, rerouted or nested is resolved. */
import { resolveChoices } from './choices.ts'
import { classesIn, isRecord, placeValues, type ClassFacts, type ClassOf } from './classes.ts'
import { GroupNodes, insideOf } from './group-nodes.ts'
import { OWN_INPUTS, OWN_OUTPUTS, readWorkflow, WorkflowError } from './read.ts'
import type { Level, Workflow, WorkflowInput, WorkflowLink, WorkflowNode } from './read.ts'

const MUTED = 2
const BYPASSED = 4
const MAX_NESTING = 50
/** Nodes that only the editor knows. */
const VIRTUAL = new Set(['Reroute', 'PrimitiveNode', 'Note', 'MarkdownNote'])

export interface PromptNode {
  class_type?: string
  inputs: Record<string, unknown>
  _meta: { title: string }
}
/** Nodes by id; one of a class that is not there lacks its `class_type`. */
export type Prompt = Readonly<Record<string, PromptNode>>

/** One level being converted: the workflow itself, or the inside of one subgraph or group node. */
interface Scope {
  readonly prefix: string
  readonly depth: number
  readonly nodes: ReadonlyMap<string, WorkflowNode>
  readonly links: ReadonlyMap<number, WorkflowLink>
  /** The instance that this is the inside of. */
  readonly outer: { readonly scope: Scope; readonly instance: WorkflowNode } | null
}

/** What an input gets: a link, a literal, nothing although it has a widget (muted), or whatever its widget says. */
type Source = { readonly link: readonly [string, number] } | { readonly literal: unknown } | 'nothing' | 'widget'

function scopeOf(level: Level, prefix: string, outer: Scope['outer']): Scope {
  const depth = (outer?.scope.depth ?? -1) + 1
  if (depth > MAX_NESTING)
    throw new WorkflowError(`Subgraphs are nested more than ${MAX_NESTING} deep: one contains itself`)
  const nodes = new Map(level.nodes.map((node) => [node.id, node]))
  return { prefix, depth, nodes, links: new Map(level.links.map((link) => [link.id, link])), outer }
}

/** Types fit when equal, when either is `*` or nothing, or when comma lists overlap. */
export function typesFit(a: string, b: string): boolean {
  if ([a, b].some((type) => type === '*' || type === '')) return true
  const right = b.split(',').map((part) => part.trim())
  return a.split(',').some((part) => right.includes(part.trim()))
}

/** Which input of a bypassed node stands for its output `slot`: the same place, else the same type, else one that fits; -1 if none. */
export function bypassInput(inputs: readonly Pick<WorkflowInput, 'type'>[], slot: number, type: string): number {
  const same = inputs[slot]
  if (same && typesFit(same.type, type)) return slot
  const exact = inputs.findIndex((input) => input.type === type)
  return exact >= 0 ? exact : inputs.findIndex((input) => typesFit(input.type, type))
}

/** A list would be taken for a link, so it travels wrapped. */
export const literal = (value: unknown): unknown => (Array.isArray(value) ? { __value__: value as unknown[] } : value)

/**
 * Input name to value; values that the list lacks are the class's defaults. An object in place of the list gives nothing, as in the
 * official editor.
 */
function literalsOf({ inputs }: ClassFacts, node: WorkflowNode): Map<string, unknown> {
  if (isRecord(node.widgets_values)) return new Map()
  const fields = inputs.flatMap(({ name, type, widget }) => (widget ? [{ name, type, ...widget }] : []))
  const placed = placeValues(fields, valuesOf(node))
  const literals = fields.map(({ name, fallback, hasChoices }, i): [string, unknown] => {
    const saved = placed[i]?.value
    const value = node.values?.get(name) ?? (saved === undefined ? fallback : saved)
    return [name, literal(hasChoices && typeof value === 'string' ? resolveChoices(value) : value)]
  })
  return new Map(literals.filter(([, value]) => value !== undefined))
}

class Converter {
  readonly #classOf: ClassOf
  readonly #subgraphs: ReadonlyMap<string, Level>
  readonly #groups: GroupNodes
  readonly #insides = new Map<string, Scope>()
  readonly prompt = Object.create(null) as Record<string, PromptNode>

  constructor(workflow: Workflow, classOf: ClassOf) {
    this.#classOf = classOf
    this.#subgraphs = new Map(workflow.definitions.map((subgraph) => [subgraph.id, subgraph]))
    this.#groups = new GroupNodes(workflow.extra, classOf)
  }

  addLevel(scope: Scope): void {
    const nodes = [...scope.nodes.values()].sort((a, b) => a.order - b.order)
    for (const node of nodes) {
      if (node.mode === MUTED || node.mode === BYPASSED || VIRTUAL.has(node.type)) continue
      const inside = this.#inside(scope, node)
      if (inside) this.addLevel(inside)
      else this.prompt[scope.prefix + node.id] = this.#convert(scope, node)
    }
  }

  #inside(scope: Scope, instance: WorkflowNode): Scope | null {
    const prefix = `${scope.prefix}${instance.id}:`
    const known = this.#insides.get(prefix)
    if (known) return known
    const group = this.#groups.of(instance.type)
    const level = this.#subgraphs.get(instance.type) ?? (group ? insideOf(group, instance, this.#classOf) : null)
    if (!level) return null
    const inside = scopeOf(level, prefix, { scope, instance })
    this.#insides.set(prefix, inside)
    return inside
  }

  #convert(scope: Scope, node: WorkflowNode): PromptNode {
    const known = this.#classOf(node.type)
    const literals = known ? literalsOf(known, node) : new Map<string, unknown>()
    node.inputs.forEach((input, slot) => {
      const source = this.#sourceOfInput(scope, node, slot)
      if (source === 'widget') return
      if (source === 'nothing') literals.delete(input.name)
      else literals.set(input.name, 'link' in source ? source.link : literal(source.literal))
    })
    const title = node.title ?? known?.title ?? node.type
    // As the official editor does: a class that is not there is left out, and the title tells what it was.
    return { inputs: Object.fromEntries(literals), ...(known ? { class_type: node.type } : {}), _meta: { title } }
  }

  /** Follows the link into an input to the node or literal that feeds it; iterative, since chains may be long. */
  #sourceOfInput(scope: Scope, node: WorkflowNode, slot: number): Source {
    const seen = new Set<string>()
    let at: { scope: Scope; link: WorkflowLink | undefined } = { scope, link: linkInto(scope, node, slot) }
    while (at.link) {
      const place = `${at.scope.prefix} ${at.link.id}`
      if (seen.has(place)) return 'widget'
      seen.add(place)
      const next = this.#step(at.scope, at.link)
      if (typeof next === 'string' || !('scope' in next)) return next
      at = next
    }
    return 'widget'
  }

  /** One step up a link: a final source, or the next link to follow (none when it ends loose). */
  #step(scope: Scope, link: WorkflowLink): Source | { scope: Scope; link: WorkflowLink | undefined } {
    if (link.from === OWN_INPUTS) return promoted(scope, link.fromSlot)
    const node = scope.nodes.get(link.from)
    if (!node) return 'widget'
    if (node.mode === MUTED) return 'nothing'
    if (node.mode === BYPASSED) {
      const type = node.outputs[link.fromSlot]?.type ?? '*'
      return { scope, link: linkInto(scope, node, bypassInput(node.inputs, link.fromSlot, type)) }
    }
    if (node.type === 'Reroute') return { scope, link: linkInto(scope, node, 0) }
    if (node.type === 'PrimitiveNode') return { literal: node.values?.get('value') ?? valuesOf(node)[0] }
    const inside = this.#inside(scope, node)
    if (!inside) return { link: [scope.prefix + node.id, link.fromSlot] }
    const inner = [...inside.links.values()].find((one) => one.to === OWN_OUTPUTS && one.toSlot === link.fromSlot)
    return { scope: inside, link: inner }
  }
}

const valuesOf = (node: WorkflowNode): readonly unknown[] =>
  Array.isArray(node.widgets_values) ? (node.widgets_values as unknown[]) : []

function linkInto(scope: Scope, node: WorkflowNode, slot: number): WorkflowLink | undefined {
  const link = node.inputs[slot]?.link
  return link === null || link === undefined ? undefined : scope.links.get(link)
}

/** An input of a subgraph: what its instance is linked to, else the value of the instance's widget for it. */
function promoted(scope: Scope, slot: number): Source | { scope: Scope; link: WorkflowLink | undefined } {
  if (!scope.outer) return 'widget'
  const { instance } = scope.outer
  const link = linkInto(scope.outer.scope, instance, slot)
  if (link) return { scope: scope.outer.scope, link }
  const input = instance.inputs[slot]
  if (!input?.widget) return 'widget'
  const place = instance.inputs.slice(0, slot).filter(({ widget }) => widget).length
  const value = valuesOf(instance)[place]
  return value === undefined ? 'widget' : { literal: value }
}

/** A saved workflow has a list of nodes; an API prompt has nodes by id. */
export const isWorkflow = (value: unknown): boolean => isRecord(value) && Array.isArray(value['nodes'])

/** The API prompt that the editor would send, by the classes of GET /object_info. Throws WorkflowError for what is no workflow. */
export function toPrompt(value: unknown, objectInfo: object): Prompt {
  const workflow = readWorkflow(value)
  const converter = new Converter(workflow, classesIn(objectInfo))
  converter.addLevel(scopeOf(workflow, '', null))
  return converter.prompt
}
