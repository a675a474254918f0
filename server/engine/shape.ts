/** The shape of an API prompt: nodes by id, literals and links; nothing here knows what the classes are. */
import { isRecord } from '../json.ts'
import type { NodeError, Prompt, PromptNode } from './protocol.ts'

/** A prompt with more nodes is refused before it is looked at. */
export const MAX_NODES = 20_000

/** An input that takes its value from output `slot` of node `from`. */
export interface Link {
  readonly from: string
  readonly slot: number
}

/** Any list stands for a link, as in ComfyUI; null for a literal. A malformed list gives a link with slot NaN. */
export function asLink(value: unknown): Link | null {
  if (!Array.isArray(value)) return null
  const [from, slot] = value as unknown[]
  const id = typeof from === 'string' ? from : typeof from === 'number' || typeof from === 'bigint' ? String(from) : ''
  const fits = value.length === 2 && id !== '' && typeof slot === 'number' && Number.isInteger(slot) && slot >= 0
  return { from: id, slot: fits ? slot : NaN }
}

/** The link that a value is, or null for any other value: what running nodes go by, where lists may be values too. */
export function linkOf(value: unknown): Link | null {
  const link = asLink(value)
  return link && !Number.isNaN(link.slot) ? link : null
}

/** Links of a node by input name, in the order of its inputs. */
export function linksOf(node: PromptNode): (readonly [input: string, link: Link])[] {
  const links: (readonly [string, Link])[] = []
  for (const [input, value] of Object.entries(node.inputs)) {
    const link = asLink(value)
    if (link) links.push([input, link])
  }
  return links
}

/** A literal as the node sees it: lists travel as `{"__value__": [...]}`. */
export const unwrap = (value: unknown): unknown =>
  isRecord(value) && '__value__' in value ? value['__value__'] : value

/** The value of a literal that parseWithFloats read. */
export const plain = (value: unknown): unknown => (value instanceof Number ? value.valueOf() : value)

/** The type of a literal as prompts write it: whole numbers are FLOAT where they are written like 5.0. */
export function typeOfLiteral(value: unknown): string {
  if (value instanceof Number) return 'FLOAT'
  if (typeof value === 'number') return Number.isInteger(value) ? 'INT' : 'FLOAT'
  const types: Readonly<Record<string, string>> = { bigint: 'INT', string: 'STRING', boolean: 'BOOLEAN' }
  return types[typeof value] ?? 'OBJECT'
}

/** An error of a whole prompt or of one node. */
export const fault = (
  type: string,
  message: string,
  details: string,
  extra_info: Readonly<Record<string, unknown>> = {},
): NodeError => ({ type, message, details, extra_info })

const short = (value: unknown): string => {
  const text = typeof value === 'string' ? `'${value}'` : Array.isArray(value) ? 'a list' : typeof value
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** The refusal of a prompt with too many nodes; null for any other value. Cheap, so that it can come before all other work. */
export function tooLarge(value: unknown): NodeError | null {
  const count = isRecord(value) ? Object.keys(value).length : 0
  if (count <= MAX_NODES) return null
  return fault('prompt_too_large', 'The prompt has too many nodes', `${count} nodes, at most ${MAX_NODES}`)
}

/** A prompt as it was read, and what is wrong with its nodes before anybody looks at their classes. */
export interface Read {
  /** Without prototypes. */
  readonly prompt: Prompt
  readonly faults: ReadonlyMap<string, readonly NodeError[]>
}

/** Half of a character that takes two UTF-16 units: such a text has no bytes, so it is no file name and no input of a model. */
const HALF = /\p{Cs}/u

function hasHalf(value: unknown): boolean {
  if (typeof value === 'string') return HALF.test(value)
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value)
    ? value.some(hasHalf)
    : Object.entries(value).some(([key, one]) => HALF.test(key) || hasHalf(one))
}

const half = (place: string, extra: Readonly<Record<string, unknown>>): NodeError =>
  fault('invalid_text', 'A text is not well-formed Unicode', `${place}: has half of a surrogate pair`, extra)

function textFaults(id: string, class_type: string, inputs: Readonly<Record<string, unknown>>): NodeError[] {
  const faults = Object.entries(inputs)
    .filter(([name, value]) => HALF.test(name) || hasHalf(value))
    .map(([name]) => half(name, { input_name: name }))
  if (HALF.test(class_type)) faults.unshift(half('class_type', {}))
  if (HALF.test(id)) faults.unshift(half(`Node ID '#${id}'`, {}))
  return faults
}

/** One node. What is not shaped like one has no class and no inputs, so that links to it are no faults of their own. */
function readNode(id: string, node: unknown): { node: PromptNode; faults: NodeError[] } {
  const inputs = Object.create(null) as Record<string, unknown>
  const strange = (message: string, details: string) => ({
    node: { class_type: '', inputs },
    faults: [fault('invalid_prompt', message, `Node ID '#${id}'${details}`, { node_id: id })],
  })
  if (!isRecord(node)) return strange('A node is not an object', `: received ${short(node)}`)
  if (node['inputs'] !== undefined && !isRecord(node['inputs']))
    return strange('The inputs of a node are not an object', `: received ${short(node['inputs'])}`)
  Object.assign(inputs, node['inputs'])
  // Without a class it is reported like one whose class is unknown.
  const class_type = typeof node['class_type'] === 'string' ? node['class_type'] : ''
  return { node: { class_type, inputs, ...readMeta(node['_meta']) }, faults: textFaults(id, class_type, inputs) }
}

/** Reads what a client sent as a prompt, or what is wrong with all of it. */
export function readPrompt(value: unknown): Read | NodeError {
  if (!isRecord(value))
    return fault('invalid_prompt', 'The prompt is not an object', `expected {node id: node}, received ${short(value)}`)
  const refusal = tooLarge(value)
  if (refusal) return refusal
  const prompt = Object.create(null) as Record<string, PromptNode>
  const faults = new Map<string, readonly NodeError[]>()
  for (const id of Object.keys(value)) {
    const read = readNode(id, value[id])
    prompt[id] = read.node
    if (read.faults.length > 0) faults.set(id, read.faults)
  }
  return { prompt, faults }
}

function readMeta(meta: unknown): { _meta?: { title?: string } } {
  if (!isRecord(meta)) return {}
  return { _meta: typeof meta['title'] === 'string' ? { ...meta, title: meta['title'] } : {} }
}
