/** Checks one node of a prompt against its declaration, and asks the node's own checks. */
import type { Refusal } from '../../nodes/define.ts'
import type { Lists, Spec } from '../../nodes/spec.ts'
import { brief } from './brief.ts'
import type { NodeError, Prompt, PromptNode } from './protocol.ts'
import type { RegisteredNode, Registry } from './registry.ts'
import { asLink, fault, linksOf, plain, typeOfLiteral, unwrap, type Link } from './shape.ts'
import { typesMatch } from './types.ts'

/** More choices than this are left out of an answer. */
export const MANY = 20

/** `[type, options]` of an input, with long lists of choices left out. */
function configOf(spec: Spec<unknown>, lists: Lists): readonly unknown[] | null {
  const options = spec.options(lists)
  const choices = options['options']
  return Array.isArray(choices) && choices.length > MANY ? null : [spec.type, options]
}

export interface Context {
  readonly prompt: Prompt
  readonly registry: Registry
  readonly lists: Lists
}

function checkLink(
  name: string,
  link: Link,
  spec: Spec<unknown>,
  received: unknown,
  context: NodeContext,
): NodeError | null {
  const extra = { input_name: name, input_config: configOf(spec, context.lists), received_value: brief(received) }
  if (Number.isNaN(link.slot))
    return fault(
      'bad_linked_input',
      'Bad linked input, must be a length-2 list of [node_id, slot_index]',
      `${name}: write a list literal as {"__value__": [...]}`,
      extra,
    )
  const source = context.prompt[link.from]
  if (!source)
    return fault('bad_linked_input', 'The linked node is not in the prompt', `${name}: node '${link.from}'`, extra)
  const node = context.registry.nodes.get(source.class_type)
  if (!node) return null
  const type = node.outputTypes[link.slot]
  if (type === undefined)
    return fault(
      'bad_linked_input',
      'The linked node has no such output',
      `${name}: output ${link.slot} of node '${link.from}' (${source.class_type}), which has ${node.outputTypes.length}`,
      extra,
    )
  if (context.registered.definition.validateLinks || typesMatch(type, spec.type)) return null
  const mismatch = { ...extra, received_type: type, linked_node: [link.from, link.slot] }
  return fault(
    'return_type_mismatch',
    'Return type mismatch between linked nodes',
    `${name}, received_type(${type}) mismatch input_type(${spec.type})`,
    mismatch,
  )
}

interface NodeContext extends Context {
  readonly registered: RegisteredNode
}

export interface Checked {
  readonly errors: NodeError[]
  /** Inputs with their literals coerced; what is not declared is kept as it came. */
  readonly inputs: Record<string, unknown>
  /** Parsed literals by name, for the node's own checks. */
  readonly values: Record<string, unknown>
}

/** Faults that a node's own check may decide otherwise; what is no number at all stays one. */
export const BY_VALUE = /^value_(smaller_than_min|bigger_than_max|not_in_list)$/

/** The exact number for the prompt's echo: a seed that fits a double is written as one. */
const plainNumber = (value: unknown): unknown =>
  typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value

function checkInput(name: string, spec: Spec<unknown>, node: PromptNode, into: Checked, context: NodeContext): void {
  const received = node.inputs[name]
  if (received === undefined || (received === null && !spec.required)) {
    if (spec.required)
      into.errors.push(fault('required_input_missing', 'Required input is missing', name, { input_name: name }))
    return
  }
  const link = asLink(received)
  if (link) {
    const error = checkLink(name, link, spec, received, context)
    if (error) into.errors.push(error)
    return
  }
  const literal = plain(unwrap(received))
  const parsed = spec.parse(literal, context.lists)
  if (parsed.ok) {
    into.inputs[name] = Array.isArray(parsed.value) ? { __value__: parsed.value } : plainNumber(parsed.value)
    into.values[name] = parsed.value
    return
  }
  const { type, message, details } = parsed.fault
  if (BY_VALUE.test(type) && decidesItself(context.registered, name)) {
    into.inputs[name] = literal
    into.values[name] = literal
    return
  }
  const extra = { input_name: name, input_config: configOf(spec, context.lists), received_value: brief(literal) }
  into.errors.push(fault(type, message, details === '' ? name : `${name}: ${details}`, extra))
}

/** Whether `validate` decides this input's range and choices. */
export function decidesItself({ definition }: RegisteredNode, name: string): boolean {
  const { validates } = definition
  return validates === 'all' || validates?.includes(name) === true
}

/** A node's own refusal as errors: one per input it names, or, for a text alone, per input that it checks. */
function refusals(refusal: Refusal, checked: Checked, names: readonly string[]): NodeError[] {
  if (refusal === undefined) return []
  const faults = typeof refusal === 'string' ? Object.fromEntries(names.map((name) => [name, refusal])) : refusal
  return Object.entries(faults).map(([name, why]) =>
    fault('custom_validation_failed', 'Custom validation failed for node', why === '' ? name : `${name} - ${why}`, {
      input_name: name,
      received_value: brief(checked.values[name]),
    }),
  )
}

/** Types that links bring, by input. */
function linkTypes(node: PromptNode, context: Context): Record<string, string> {
  const types = linksOf(node).flatMap(([name, link]) => {
    const source = context.registry.nodes.get(context.prompt[link.from]?.class_type ?? '')
    const type = source?.outputTypes[link.slot]
    return type === undefined ? [] : [[name, type] as const]
  })
  return Object.fromEntries(types)
}

/** Types of declared literals, by input. */
function literalTypes(node: PromptNode, { spec }: RegisteredNode): Record<string, string> {
  const literals = Object.entries(node.inputs).filter(([name, value]) => spec(name) && !asLink(value))
  return Object.fromEntries(literals.map(([name, value]) => [name, typeOfLiteral(unwrap(value))]))
}

/** What a node's own checks say; an exception in them is an error like any other. */
async function ownErrors(node: PromptNode, registered: RegisteredNode, checked: Checked, context: Context) {
  const { definition } = registered
  const names =
    definition.validates === 'all' || definition.validates === undefined
      ? Object.keys(node.inputs)
      : definition.validates
  try {
    checked.errors.push(...refusals(await definition.validate?.(checked.values), checked, names))
    const literals = literalTypes(node, registered)
    checked.errors.push(...refusals(await definition.validateLiterals?.(literals), checked, Object.keys(literals)))
    const links = linkTypes(node, context)
    checked.errors.push(...refusals(await definition.validateLinks?.(links), checked, Object.keys(links)))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const extra = { exception_type: error instanceof Error ? error.name : typeof error, traceback: [] }
    checked.errors.push(fault('exception_during_validation', 'Exception when validating node', message, extra))
  }
}

/** Built-in checks; `node`'s own follow, and may be asynchronous. */
export function checkNode(node: PromptNode, registered: RegisteredNode, context: Context): Checked | Promise<Checked> {
  const inputs = Object.create(null) as Record<string, unknown>
  for (const [name, value] of Object.entries(node.inputs)) inputs[name] = plain(value)
  const checked: Checked = { errors: [], inputs, values: {} }
  for (const [name, spec] of registered.inputs)
    if (!spec.hidden) checkInput(name, spec, node, checked, { ...context, registered })
  const { definition } = registered
  if (!definition.validate && !definition.validateLiterals && !definition.validateLinks) return checked
  return ownErrors(node, registered, checked, context).then(() => checked)
}
