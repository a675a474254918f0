/** API prompt to workflow: nodes are laid out in columns by their distance from the sources. */
import { z } from '../sdk/zod.ts'
import type { NodeType, NodeTypes } from './node-types.ts'
import { socketsOf } from './reconcile.ts'
import { writeValues, defaults } from './values.ts'
import { parseWorkflow, WorkflowError, type Workflow } from './workflow.ts'

const schema = z.record(
  z.string().max(200),
  z.object({
    class_type: z.string().max(1000),
    inputs: z.record(z.string(), z.unknown()).default({}),
    _meta: z.object({ title: z.string().optional() }).optional().catch(undefined),
  }),
)
type ApiPrompt = z.infer<typeof schema>

const COLUMN = 310
const GAP = 50

const linkOf = (value: unknown): [string, number] | null =>
  Array.isArray(value) &&
  value.length === 2 &&
  (typeof value[0] === 'string' || typeof value[0] === 'number') &&
  typeof value[1] === 'number'
    ? [String(value[0]), value[1]]
    : null

/** Longest way from a source, per node; nodes on a cycle stay where they were first met. */
function columns(prompt: ApiPrompt): Map<string, number> {
  const depth = new Map<string, number>()
  const visiting = new Set<string>()
  const visit = (id: string): number => {
    const known = depth.get(id)
    if (known !== undefined) return known
    const node = prompt[id]
    if (!node || visiting.has(id)) return -1
    visiting.add(id)
    const sources = Object.values(node.inputs).map(linkOf)
    const deepest = Math.max(-1, ...sources.map((link) => (link ? visit(link[0]) : -1)))
    visiting.delete(id)
    depth.set(id, deepest + 1)
    return deepest + 1
  }
  for (const id of Object.keys(prompt)) visit(id)
  return depth
}

function valuesList(type: NodeType | undefined, inputs: Readonly<Record<string, unknown>>): unknown {
  if (!type) return inputs
  const values = defaults(type)
  for (const [name, value] of Object.entries(inputs)) {
    const wrapped = value as { __value__?: unknown } | null
    if (!linkOf(value))
      values.literals.set(
        name,
        typeof value === 'object' && wrapped?.__value__ !== undefined ? wrapped.__value__ : value,
      )
  }
  for (const name of values.controls.keys()) values.controls.set(name, 'fixed')
  return writeValues(type, values)
}

const height = (type: NodeType | undefined): number =>
  90 +
  26 * (type?.inputs.length ?? 3) +
  (type?.inputs.some((i) => i.widget?.kind === 'text' && i.widget.multiline) ? 80 : 0)

/** Builds a workflow for an API prompt; throws WorkflowError when it is none. */
export function fromPrompt(json: unknown, types: NodeTypes): Workflow {
  const parsed = schema.safeParse(json)
  if (!parsed.success)
    throw new WorkflowError('This is neither a workflow nor an API prompt: expected nodes with a class_type.')
  const prompt = parsed.data
  const depth = columns(prompt)
  const below = new Map<number, number>()
  const links: unknown[] = []
  const nodes = Object.entries(prompt).map(([id, { class_type: name, inputs, _meta }]) => {
    const type = types.get(name)
    const sockets = type ? socketsOf(type).map((socket) => ({ ...socket })) : []
    for (const [input, value] of Object.entries(inputs)) {
      const link = linkOf(value)
      if (!link || !prompt[link[0]]) continue
      if (!sockets.some((socket) => socket.name === input)) sockets.push({ name: input, type: '*', link: null })
      const slot = sockets.findIndex((socket) => socket.name === input)
      const number = links.length + 1
      sockets[slot]!.link = number
      const kind = types.get(prompt[link[0]]!.class_type)?.outputs[link[1]]?.type ?? '*'
      links.push([number, link[0], link[1], id, slot, kind])
    }
    const column = depth.get(id) ?? 0
    const y = below.get(column) ?? 0
    below.set(column, y + height(type) + GAP)
    return {
      id,
      type: name,
      pos: [column * COLUMN, y],
      inputs: sockets,
      outputs: outputsFor(id, type, prompt),
      widgets_values: valuesList(type, inputs),
      ...(_meta?.title ? { title: _meta.title } : {}),
    }
  })
  return parseWorkflow({ nodes, links, version: 0.4 })
}

/** Outputs of the class, or as many as the prompt links to. */
function outputsFor(id: string, type: NodeType | undefined, prompt: ApiPrompt): { name: string; type: string }[] {
  if (type) return type.outputs.map(({ name, type: kind }) => ({ name, type: kind }))
  const used = Object.values(prompt)
    .flatMap((node) => Object.values(node.inputs).map(linkOf))
    .filter((link) => link?.[0] === id)
    .map((link) => link![1])
  return Array.from({ length: Math.min(64, Math.max(-1, ...used) + 1) }, (_, i) => ({ name: `output ${i}`, type: '*' }))
}
