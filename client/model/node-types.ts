/** Node classes as GET /object_info publishes them: checked, with legacy and new combos brought to one form. */
import { z } from '../sdk/zod.ts'
import type { SpecOptions } from '../../nodes/spec.ts'
import { widgetOf, type Widget } from './widgets.ts'

/** One input of a class: a socket, and a widget where a literal can be given. */
export interface InputType {
  readonly name: string
  readonly type: string
  readonly optional: boolean
  readonly tooltip: string | null
  readonly widget: Widget | null
}

export interface OutputType {
  readonly name: string
  readonly type: string
  readonly tooltip: string | null
}

export interface NodeType {
  readonly name: string
  readonly title: string
  /** Menu path, parts joined by '/'. */
  readonly category: string
  readonly description: string
  readonly aliases: readonly string[]
  /** In the order that widgets_values follows: required, then optional. */
  readonly inputs: readonly InputType[]
  readonly outputs: readonly OutputType[]
  readonly isOutput: boolean
  readonly deprecated: boolean
}

export type NodeTypes = ReadonlyMap<string, NodeType>

const spec = z.tuple([z.union([z.string(), z.array(z.unknown())])], z.unknown())
const specs = z.record(z.string(), spec)
const nodeClass = z.object({
  input: z.object({ required: specs.nullish(), optional: specs.nullish() }).nullish(),
  input_order: z
    .object({ required: z.array(z.string()).nullish(), optional: z.array(z.string()).nullish() })
    .nullish()
    .catch(null),
  output: z.array(z.union([z.string(), z.array(z.unknown())])).nullish(),
  output_name: z
    .union([z.array(z.string().nullable()), z.string()])
    .nullish()
    .catch(null),
  output_tooltips: z.array(z.string().nullable()).nullish().catch(null),
  display_name: z.string().nullish().catch(null),
  description: z.string().nullish().catch(null),
  category: z.string().nullish().catch(null),
  output_node: z.boolean().nullish().catch(null),
  deprecated: z.boolean().nullish().catch(null),
  search_aliases: z.array(z.string()).nullish().catch(null),
})
type NodeClass = z.infer<typeof nodeClass>
type Specs = z.infer<typeof specs>

const optionsOf = (value: unknown): SpecOptions =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as SpecOptions) : {}

function inputType(name: string, [type, options]: Specs[string], optional: boolean): InputType {
  const known = optionsOf(options)
  const kind = typeof type === 'string' ? type : 'COMBO'
  const tooltip = known['tooltip']
  return {
    name,
    type: kind,
    optional,
    tooltip: typeof tooltip === 'string' ? tooltip : null,
    widget: widgetOf(name, kind, typeof type === 'string' ? known : { ...known, options: type }),
  }
}

function group(list: Specs | null | undefined, order: string[] | null | undefined, optional: boolean): InputType[] {
  if (!list) return []
  const names = Object.keys(list)
  const sorted = order ? [...order.filter((n) => names.includes(n)), ...names.filter((n) => !order.includes(n))] : names
  return sorted.map((name) => inputType(name, list[name]!, optional))
}

function outputsOf(found: NodeClass): OutputType[] {
  const names = typeof found.output_name === 'string' ? [found.output_name] : found.output_name
  return (found.output ?? []).map((type, i) => {
    const kind = typeof type === 'string' ? type : 'COMBO'
    return { name: names?.[i] ?? kind, type: kind, tooltip: found.output_tooltips?.[i] ?? null }
  })
}

function nodeType(name: string, found: NodeClass): NodeType {
  return {
    name,
    title: found.display_name?.trim() || name,
    category: found.category ?? '',
    description: found.description ?? '',
    aliases: found.search_aliases ?? [],
    inputs: [
      ...group(found.input?.required, found.input_order?.required, false),
      ...group(found.input?.optional, found.input_order?.optional, true),
    ],
    outputs: outputsOf(found),
    isOutput: found.output_node ?? false,
    deprecated: found.deprecated ?? false,
  }
}

/** Reads the answer of /object_info; a class that makes no sense is left out and named in `faults`. */
export function parseNodeTypes(json: unknown): { types: Map<string, NodeType>; faults: string[] } {
  const types = new Map<string, NodeType>()
  const faults: string[] = []
  for (const [name, value] of Object.entries(z.record(z.string(), z.unknown()).parse(json))) {
    const parsed = nodeClass.safeParse(value)
    if (parsed.success) types.set(name, nodeType(name, parsed.data))
    else
      faults.push(`${name}: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`)
  }
  return { types, faults }
}

const socket = (name: string, type: string): InputType => ({ name, type, optional: true, tooltip: null, widget: null })
const editorOnly = (name: string, title: string, description: string, more: Partial<NodeType>): NodeType => ({
  name,
  title,
  category: 'editor',
  description,
  aliases: [],
  inputs: [],
  outputs: [],
  isOutput: false,
  deprecated: false,
  ...more,
})
const note: InputType = {
  name: 'text',
  type: 'STRING',
  optional: true,
  tooltip: null,
  widget: {
    kind: 'text',
    default: '',
    multiline: true,
    placeholder: '',
    choices: false,
    control: false,
    linkable: false,
  },
}

/** Nodes that exist in workflow files only: the editor resolves them before a prompt is queued. */
export const EDITOR_TYPES: NodeTypes = new Map(
  [
    editorOnly('Reroute', 'Reroute', 'A bend in a wire.', {
      inputs: [socket('', '*')],
      outputs: [{ name: '', type: '*', tooltip: null }],
    }),
    editorOnly('Note', 'Note', 'Words for whoever opens the workflow.', { inputs: [note] }),
    editorOnly('MarkdownNote', 'Note (Markdown)', 'Words for whoever opens the workflow.', { inputs: [note] }),
  ].map((type) => [type.name, type]),
)
