/** GET /object_info, derived from the declarations of the nodes. */
import type { Lists, Spec } from '../../nodes/spec.ts'
import type { ClassInfo, ObjectInfo } from './protocol.ts'
import type { RegisteredNode, Registry } from './registry.ts'

type Group = 'required' | 'optional' | 'hidden'
const groupOf = (spec: Spec<unknown>): Group => (spec.hidden ? 'hidden' : spec.required ? 'required' : 'optional')

function declaration(spec: Spec<unknown>, lists: Lists): readonly unknown[] | string {
  if (spec.hidden) return spec.type
  const options = spec.options(lists)
  // As ComfyUI's own nodes declare them: clients read the choices from the place of the type.
  if (spec.type === 'COMBO' && Array.isArray(options['options'])) {
    const { options: choices, ...rest } = options
    return [choices, rest]
  }
  return Object.keys(options).length === 0 ? [spec.type] : [spec.type, options]
}

export function describeNode(node: RegisteredNode, lists: Lists): ClassInfo {
  const { definition } = node
  const input: Record<string, Record<string, readonly unknown[] | string>> = {}
  const order: Record<string, string[]> = {}
  for (const [name, spec] of node.inputs) {
    const group = groupOf(spec)
    ;(input[group] ??= {})[name] = declaration(spec, lists)
    ;(order[group] ??= []).push(name)
  }
  return {
    input: { required: {}, ...input },
    input_order: { required: [], ...order },
    output: node.outputTypes,
    output_is_list: node.outputNames.map(
      (name) => (definition.listOutputs as readonly string[] | undefined)?.includes(name) ?? false,
    ),
    output_name: node.outputNames,
    name: definition.type,
    display_name: definition.title ?? definition.type,
    description: definition.help,
    python_module: node.module,
    category: definition.category,
    output_node: definition.isOutput ?? false,
    is_input_list: definition.inputIsList ?? false,
  }
}

/** Every class; `lists` is asked at each call, since the choices of files change. A class that throws is left out. */
export function describeAll(registry: Registry, lists: Lists): ObjectInfo {
  const all: Record<string, ClassInfo> = {}
  for (const [type, node] of registry.nodes)
    try {
      all[type] = describeNode(node, lists)
    } catch (error) {
      process.stderr.write(`${type} cannot be described: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  return all
}
