/** Old group nodes (`workflow/NAME`, `workflow>NAME`): what they show of the nodes in them, and those nodes as a level of their own. */
import { placeValues, type ClassFacts, type ClassOf, type InputFacts, type WidgetFacts } from './classes.ts'
import { OWN_INPUTS, OWN_OUTPUTS, WorkflowError } from './read.ts'
import type { Group, Level, WorkflowLink, WorkflowNode } from './read.ts'

/** An input of a group node and whose it is inside. */
interface GroupInput extends InputFacts {
  readonly node: number
  readonly inner: string
  /** Whether a link from outside may come in here by its place among the sockets. */
  readonly isSocket: boolean
}
interface GroupOutput {
  readonly node: number
  readonly slot: number
  readonly name: string
  readonly type: string
}
/** What a group node shows, and what it is made of. */
export interface GroupFacts {
  readonly group: Group
  readonly inputs: readonly GroupInput[]
  readonly outputs: readonly GroupOutput[]
}

const PREFIX = /^workflow[/>]/

/** The names that a workflow's group nodes go by as types. */
export const groupTypes = (groups: Iterable<string>): string[] =>
  [...groups].flatMap((name) => [`workflow/${name}`, `workflow>${name}`])

/** A primitive's value, whose type is that of what it feeds. */
const PRIMITIVE: WidgetFacts = { fallback: undefined, controlled: true, uploads: false, hasChoices: false }

/** Looks up group nodes by type, each worked out once. */
export class GroupNodes {
  readonly #groups: ReadonlyMap<string, Group>
  readonly #classOf: ClassOf
  readonly #known = new Map<string, GroupFacts>()
  readonly #open = new Set<string>()

  constructor(groups: ReadonlyMap<string, Group>, classOf: ClassOf) {
    this.#groups = groups
    this.#classOf = classOf
  }

  /** Null for a type that is no group of this workflow. Throws WorkflowError for a group that contains itself. */
  of(type: string): GroupFacts | null {
    const name = PREFIX.test(type) ? type.replace(PREFIX, '') : undefined
    const group = name === undefined ? undefined : this.#groups.get(name)
    if (name === undefined || !group) return null
    const known = this.#known.get(name)
    if (known) return known
    if (this.#open.has(name)) throw new WorkflowError(`The group node '${name}' contains itself`)
    this.#open.add(name)
    const facts = new Reader(group, (inner) => this.of(inner) ?? this.#classOf(inner)).read()
    this.#open.delete(name)
    this.#known.set(name, facts)
    return facts
  }
}

/** Works out what one group shows, node by node in the order of the file. */
class Reader {
  readonly #group: Group
  readonly #classOf: (type: string) => Pick<ClassFacts, 'inputs' | 'outputs'> | null
  /** Names that are taken, and how often. */
  readonly #taken = new Map<string, number>()
  readonly #inputs: GroupInput[] = []
  readonly #outputs: GroupOutput[] = []
  /** Widgets that were turned into sockets come behind all others. */
  readonly #converted: (() => void)[] = []

  constructor(group: Group, classOf: (type: string) => Pick<ClassFacts, 'inputs' | 'outputs'> | null) {
    this.#group = group
    this.#classOf = classOf
  }

  read(): GroupFacts {
    for (const at of this.#group.nodes.keys()) {
      const facts = this.#factsOf(at)
      if (!facts) continue
      this.#addInputs(at, facts.inputs)
      this.#addOutputs(at, facts.outputs)
    }
    for (const add of this.#converted) add()
    return { group: this.#group, inputs: this.#inputs, outputs: this.#outputs }
  }

  #factsOf(at: number): Pick<ClassFacts, 'inputs' | 'outputs'> | null {
    const type = this.#group.nodes[at]?.type ?? ''
    if (type === 'PrimitiveNode') return this.#primitive(at)
    if (type === 'Reroute') return this.#reroute(at)
    const facts = this.#classOf(type)
    return facts && this.#asSaved(at, facts)
  }

  /** A class as it was when the group was saved: what it has gained since would move all places behind it. */
  #asSaved(at: number, facts: Pick<ClassFacts, 'inputs' | 'outputs'>): Pick<ClassFacts, 'inputs' | 'outputs'> {
    const node = this.#group.nodes[at]
    const fields = facts.inputs.flatMap(({ name, type, widget }) => (widget ? [{ name, type, ...widget }] : []))
    const saved = Array.isArray(node?.widgets_values) ? (node.widgets_values as unknown[]) : []
    const placed = placeValues(fields, saved)
    const known = new Set(fields.filter((_, i) => placed[i]?.value !== undefined).map(({ name }) => name))
    const inputs = facts.inputs.filter(({ name, widget }) =>
      widget ? known.has(name) : node?.inputs.some((input) => input.name === name),
    )
    return { inputs, outputs: facts.outputs.slice(0, node?.outputs.length ?? 0) }
  }

  #primitive(at: number): Pick<ClassFacts, 'inputs' | 'outputs'> | null {
    const link = this.#group.links.find(({ from }) => from === at)
    if (!link) return null
    const type = typeof link.type === 'string' ? link.type : '*'
    return { inputs: [{ name: 'value', type, widget: PRIMITIVE }], outputs: [{ name: type, type }] }
  }

  /** A reroute between two nodes of the group is not seen from outside; one at its edge is a socket of the type of what it feeds. */
  #reroute(at: number): Pick<ClassFacts, 'inputs' | 'outputs'> | null {
    const { links, nodes } = this.#group
    const [out, into] = [links.find(({ from }) => from === at), links.find(({ to }) => to === at)]
    const external = this.#group.external.find(([node, slot]) => node === at && slot === 0)
    if (out && into?.from != null && !external) return null
    const source = into?.from == null ? into?.type : nodes[into.from]?.outputs[into.fromSlot]?.type
    const shown = [source, external?.[2]].find((one) => typeof one === 'string')
    const type = (out && nodes[out.to]?.inputs[out.toSlot]?.type) ?? (typeof shown === 'string' ? shown : '*')
    return { inputs: [{ name: type, type, widget: null }], outputs: [{ name: type, type }] }
  }

  #addInputs(at: number, inputs: readonly InputFacts[]): void {
    const saved = this.#group.nodes[at]?.inputs ?? []
    const linked = linkedInputs(this.#group, at, inputs)
    const place = (name: string): number => saved.findIndex((one) => one.name === name && one.widget !== undefined)
    const fields = inputs.filter(({ widget }) => widget)
    for (const input of fields.filter(({ name }) => place(name) < 0)) this.#add(at, input, false)
    for (const input of inputs.filter(({ widget, name }) => !widget && !linked.has(name))) this.#add(at, input, true)
    // The original sorts places as texts, so 10 comes before 2.
    const converted = fields
      .filter(({ name }) => place(name) >= 0)
      .sort((a, b) => (`${place(a.name)}` < `${place(b.name)}` ? -1 : 1))
    for (const input of converted.filter(({ name }) => !linked.has(name)))
      this.#converted.push(() => this.#add(at, input, true))
  }

  #add(at: number, input: InputFacts, isSocket: boolean): void {
    const name = this.#nameOf(at, input.name)
    const isHidden = !input.widget && this.#group.config[at]?.input[input.name]?.visible === false
    const node = this.#group.nodes[at]
    const inner = node?.type === 'Reroute' ? (node.inputs[0]?.name ?? '') : input.name
    if (!isHidden) this.#inputs.push({ ...input, name, node: at, inner, isSocket })
  }

  /** The name given in the group's settings, else the input's own, with the node's title before it where that is taken. */
  #nameOf(at: number, input: string): string {
    const node = this.#group.nodes[at]
    const label = node?.inputs.find(({ name }) => name === input)?.label
    let name = this.#group.config[at]?.input[input]?.name ?? label ?? input
    let key = name
    if ((node?.type === 'PrimitiveNode' && node.title) || this.#taken.has(name)) {
      const prefix = `${node?.title ?? node?.type ?? ''} `
      key = name = `${prefix}${input}`
      const times = this.#taken.get(name)
      if (times !== undefined) name = `${prefix}${times} ${input}`
    }
    this.#taken.set(key, (this.#taken.get(key) ?? 1) + 1)
    return name
  }

  /** Outputs that only nodes of the group take are not shown. */
  #addOutputs(at: number, outputs: ClassFacts['outputs']): void {
    outputs.forEach(({ name, type }, slot) => {
      const isInner = this.#group.links.some((link) => link.from === at && link.fromSlot === slot)
      const isExternal = this.#group.external.some(([node, one]) => node === at && one === slot)
      const { visible: isVisible = !isInner || isExternal } = this.#group.config[at]?.output[slot] ?? {}
      if (isVisible) this.#outputs.push({ node: at, slot, name, type })
    })
  }
}

/** The name of an input by its place: as the file has it, else in the order of the class. */
function inputName(group: Group, at: number, slot: number, inputs: readonly InputFacts[]): string | undefined {
  const node = group.nodes[at]
  if (node?.type === 'Reroute') return node.inputs[0]?.name ?? ''
  return node?.inputs[slot]?.name ?? inputs.filter(({ widget }) => !widget)[slot]?.name
}

function linkedInputs(group: Group, at: number, inputs: readonly InputFacts[]): Set<string | undefined> {
  const links = group.links.filter(({ from, to }) => from !== null && to === at)
  if (links.length > 0 && group.nodes[at]?.type === 'Reroute') return new Set(inputs.map(({ name }) => name))
  return new Set(links.map(({ toSlot }) => inputName(group, at, toSlot, inputs)))
}

/** The values that a group node gives to the nodes in it, by their place. */
function valuesIn({ inputs }: GroupFacts, instance: WorkflowNode): ReadonlyMap<number, ReadonlyMap<string, unknown>> {
  const fields = inputs.flatMap((input) => (input.widget ? [{ ...input, ...input.widget }] : []))
  const saved = Array.isArray(instance.widgets_values) ? (instance.widgets_values as unknown[]) : []
  const placed = placeValues(fields, saved)
  const values = new Map<number, Map<string, unknown>>()
  fields.forEach(({ name, node, inner }, i) => {
    const value = instance.values?.get(name) ?? placed[i]?.value
    if (value !== undefined) values.set(node, (values.get(node) ?? new Map<string, unknown>()).set(inner, value))
  })
  return values
}

/** Which input of the instance stands for an input of the group: by name, else by its place among the sockets. */
function slotOn(instance: WorkflowNode, facts: GroupFacts, input: GroupInput): number {
  const named = instance.inputs.findIndex(({ name }) => name === input.name)
  if (named >= 0 || !input.isSocket) return named
  const place = facts.inputs.filter(({ isSocket }) => isSocket).indexOf(input)
  return facts.inputs.some(({ name }) => name === instance.inputs[place]?.name) ? -1 : place
}

/** The inside of one group node, shaped as the inside of a subgraph: its nodes are named by their place. */
export function insideOf(facts: GroupFacts, instance: WorkflowNode, classOf: ClassOf): Level {
  const values = valuesIn(facts, instance)
  const links: WorkflowLink[] = []
  const nodes = facts.group.nodes.map((node, at) => ({
    ...node,
    ...{ id: String(at), order: at },
    inputs: node.inputs.map((input): WorkflowNode['inputs'][number] => ({ ...input, link: null })),
    values: values.get(at) ?? new Map<string, unknown>(),
  }))
  const connect = (from: string, fromSlot: number, at: number, name: string | undefined): void => {
    const inputs = nodes[at]?.inputs
    if (!inputs || name === undefined) return
    if (!inputs.some((input) => input.name === name)) inputs.push({ name, type: '*', link: null })
    const toSlot = inputs.findIndex((input) => input.name === name)
    const id = links.push({ id: links.length + 1, from, fromSlot, to: String(at), toSlot })
    inputs[toSlot] = { ...inputs[toSlot], name, type: inputs[toSlot]?.type ?? '*', link: id }
  }
  for (const { from, fromSlot, to, toSlot } of facts.group.links) {
    const declared = classOf(facts.group.nodes[to]?.type ?? '')?.inputs ?? []
    if (from !== null) connect(String(from), fromSlot, to, inputName(facts.group, to, toSlot, declared))
  }
  for (const input of facts.inputs) {
    const slot = slotOn(instance, facts, input)
    if (instance.inputs[slot]?.link != null) connect(OWN_INPUTS, slot, input.node, input.inner)
  }
  facts.outputs.forEach(({ node, slot }, toSlot) =>
    links.push({ id: links.length + 1, from: String(node), fromSlot: slot, to: OWN_OUTPUTS, toSlot }),
  )
  return { nodes, links }
}
