/** Checks a posted prompt against the node declarations: every fault of every node in one answer, in ComfyUI's vocabulary. */
import type { Lists } from '../../nodes/spec.ts'
import { checkNode, MANY, type Context } from './check-node.ts'
import { cycleIn, parentsOf, walk, type Walk } from './graph.ts'
import type { NodeError, NodeErrors, Prompt, PromptNode, Validation } from './protocol.ts'
import type { Registry } from './registry.ts'
import { fault, readPrompt, type Read } from './shape.ts'

/** What refuses a prompt whichever outputs are asked for: nodes of no shape or of unknown class, connected or not; by node. */
function fatalFaults({ prompt, faults }: Read, registry: Registry): Map<string, readonly NodeError[]> {
  const fatal = new Map<string, readonly NodeError[]>()
  for (const [id, node] of Object.entries(prompt)) {
    const known = faults.get(id) ?? []
    const isStrange = known.some(({ type }) => type === 'invalid_prompt')
    const missing = isStrange || registry.nodes.has(node.class_type) ? [] : [missingType(id, node)]
    if (known.length + missing.length > 0) fatal.set(id, [...known, ...missing])
  }
  return fatal
}

function missingType(id: string, node: PromptNode): NodeError {
  const title = node._meta?.title ?? (node.class_type || id)
  const named = title === node.class_type || node.class_type === '' ? `'${title}'` : `'${title}' (${node.class_type})`
  const message =
    node.class_type === ''
      ? `Node ${named} has no class_type. Give it the name of a node class, such as SaveImage.`
      : `Node ${named} not found. This node type is not installed here.`
  const extra = { node_id: id, class_type: node.class_type, node_title: title }
  return fault('missing_node_type', message, `Node ID '#${id}'`, extra)
}

/** Nodes of a cycle that an error names; of a longer one the ends. */
const SHOWN = 16

function shortened(path: readonly string[]): readonly string[] {
  if (path.length <= SHOWN) return path
  return [...path.slice(0, SHOWN / 2), `(${path.length - SHOWN} more)`, ...path.slice(-SHOWN / 2)]
}

/** What stands on a cycle cannot run: an error for each node of each set of nodes that need each other. */
function cycleErrors(prompt: Prompt, cycles: Walk['cycles']): Map<string, NodeError> {
  const errors = new Map<string, NodeError>()
  for (const set of cycles) {
    // Walked from a node to what it needs: written the other way round it reads along the links.
    const path = shortened(cycleIn(prompt, set).reverse())
    const details = [...path, path[0] ?? ''].join(' -> ')
    for (const id of set)
      errors.set(
        id,
        fault('dependency_cycle', 'Dependency cycle detected', details, { node_id: id, cycle_nodes: path }),
      )
  }
  return errors
}

/** Steps that listing dependent outputs may take; beyond it a node is listed without them. */
const DEPENDENT_BUDGET = 1_000_000

/** For each faulty node the output nodes that need it. */
function dependents(prompt: Prompt, order: readonly string[], outputs: readonly string[], faulty: Iterable<string>) {
  const children = new Map<string, string[]>()
  for (const id of order)
    for (const parent of parentsOf(prompt, id)) {
      const list = children.get(parent)
      if (list) list.push(id)
      else children.set(parent, [id])
    }
  const isOutput = new Set(outputs)
  const found = new Map<string, string[]>()
  let steps = 0
  for (const start of faulty) {
    const seen = new Set([start])
    for (const id of seen) {
      if (++steps > DEPENDENT_BUDGET) return found
      for (const child of children.get(id) ?? []) seen.add(child)
    }
    found.set(
      start,
      [...seen].filter((id) => isOutput.has(id)),
    )
  }
  return found
}

/** Nodes that cannot run: faulty ones and what needs them. */
function invalidNodes(prompt: Prompt, order: readonly string[], faulty: ReadonlyMap<string, unknown>): Set<string> {
  const invalid = new Set<string>(faulty.keys())
  for (const id of order) if (parentsOf(prompt, id).some((parent) => invalid.has(parent))) invalid.add(id)
  return invalid
}

function selectOutputs(prompt: Prompt, registry: Registry, targets: readonly string[] | null): string[] {
  return Object.keys(prompt).filter(
    (id) => registry.nodes.get(prompt[id]!.class_type)?.definition.isOutput && (targets?.includes(id) ?? true),
  )
}

const refuse = (error: NodeError, nodeErrors: Readonly<Record<string, NodeErrors>> = {}): Validation => ({
  ok: false,
  error,
  nodeErrors,
})

/** Checks the nodes that the outputs need; coerced nodes go into `coerced`. */
async function checkGraph(
  order: readonly string[],
  cycles: Walk['cycles'],
  coerced: Record<string, PromptNode>,
  context: Context,
) {
  const onCycle = cycleErrors(context.prompt, cycles)
  const faulty = new Map<string, NodeError[]>()
  for (const id of order) {
    const node = context.prompt[id]!
    const registered = context.registry.nodes.get(node.class_type)
    if (!registered) continue
    const checking = checkNode(node, registered, context)
    const { errors, inputs } = checking instanceof Promise ? await checking : checking
    const cycle = onCycle.get(id)
    if (cycle) errors.push(cycle)
    if (errors.length > 0) faulty.set(id, errors)
    coerced[id] = { ...node, inputs }
  }
  return faulty
}

/** Checks a prompt as it was posted. `targets` restricts which output nodes count (partial execution); null takes all. */
export async function validate(
  posted: unknown,
  targets: readonly string[] | null,
  registry: Registry,
  lists: Lists,
): Promise<Validation> {
  const read = readPrompt(posted)
  if (!('prompt' in read)) return refuse(read)
  const { prompt } = read
  const fatal = fatalFaults(read, registry)
  const outputs = selectOutputs(prompt, registry, targets)
  if (outputs.length === 0 && fatal.size === 0) return refuse(fault('prompt_no_outputs', 'Prompt has no outputs', ''))

  const { order, cycles } = walk(prompt, outputs)
  const coerced = Object.assign(Object.create(null) as Record<string, PromptNode>, prompt)
  const faulty = await checkGraph(order, cycles, coerced, { prompt, registry, lists })
  for (const [id, errors] of fatal) faulty.set(id, [...errors, ...(faulty.get(id) ?? [])])
  const blocked = dependents(prompt, order, outputs, faulty.keys())
  const invalid = invalidNodes(prompt, order, faulty)
  const nodeErrors = Object.fromEntries(
    [...faulty].map(([id, errors]) => [
      id,
      { class_type: prompt[id]!.class_type, errors, dependent_outputs: blocked.get(id) ?? [] },
    ]),
  )
  const [first] = [...fatal.values()].flat()
  if (first) return refuse(first, nodeErrors)
  const valid = outputs.filter((id) => !invalid.has(id))
  if (valid.length > 0) return { ok: true, prompt: coerced, outputs: valid, nodeErrors }
  const details = [...faulty.values()]
    .flat()
    .slice(0, MANY)
    .map((error) => `${error.message}: ${error.details}`)
  return refuse(
    fault('prompt_outputs_failed_validation', 'Prompt outputs failed validation', details.join('\n')),
    nodeErrors,
  )
}
