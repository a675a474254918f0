/** A saved workflow for every caching method: the one of DiCache with the method in its place, at the first setting of its bench. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { describeNode } from '../server/engine/describe.ts'
import type { RegisteredNode, Registry } from '../server/engine/registry.ts'
import { isMethod, valuesFor, type Values } from './nodes.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'workflows')
const SETTINGS = join(import.meta.dirname, 'settings')
const TEMPLATE = {
  method: 'DiCache',
  loader: 'CheckpointLoaderSimple',
  sampler: 'KSampler',
  save: 'SaveImage',
  file: 'text-to-image-dicache.json',
}

/** What a bench's sheet says of the settings; see bench/methods.ts for the whole of it. */
const Sheet = z.object({
  node: z.string(),
  calibrate: z
    .object({ node: z.string(), into: z.string(), with: z.record(z.string(), z.unknown()).default({}) })
    .optional(),
  shared: z.record(z.string(), z.unknown()).default({}),
  sweep: z.array(z.object({ with: z.record(z.string(), z.unknown()) })).min(1),
})
type Sheet = z.infer<typeof Sheet>

const Link = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.string()])
const Slot = z.looseObject({ name: z.string(), type: z.string() })
const Node = z.looseObject({
  id: z.number(),
  type: z.string(),
  pos: z.array(z.number()),
  size: z.array(z.number()),
  inputs: z.array(Slot.extend({ link: z.number().nullable() })),
  outputs: z.array(Slot.extend({ links: z.array(z.number()) })),
  widgets_values: z.array(z.unknown()),
})
const Workflow = z.looseObject({
  last_node_id: z.number(),
  last_link_id: z.number(),
  nodes: z.array(Node),
  links: z.array(Link),
  extra: z.looseObject({}),
})
type Workflow = z.infer<typeof Workflow>
type SavedNode = z.infer<typeof Node>

/** A file to write: its name and its text. */
export interface WorkflowFile {
  readonly method: string
  readonly name: string
  readonly text: string
}

const named = (workflow: Workflow, type: string): SavedNode => {
  const node = workflow.nodes.find((one) => one.type === type)
  if (!node) throw new Error(`${TEMPLATE.file}: expected a node ${type}, found none`)
  return node
}

const input = (node: SavedNode, name: string) => node.inputs.find((one) => one.name === name)

/** Values of the widgets as editors save them: required inputs, then optional ones, a seed followed by what becomes of it. */
function widgetValues(node: RegisteredNode, given: Values): unknown[] {
  const values = valuesFor(node, given, `workflow of ${node.definition.type}`)
  const described = describeNode(node, () => []).input
  const names = ['required', 'optional'].flatMap((group) => Object.keys(described[group] ?? {}))
  return names.flatMap((name) => {
    const spec = node.spec(name)
    if (!spec || spec.linkOnly || spec.hidden) return []
    const options = spec.options(() => [])
    const value = values[name] ?? options['default'] ?? ''
    const plain = typeof value === 'bigint' ? Number(value) : value
    return options['control_after_generate'] === true ? [plain, 'fixed'] : [plain]
  })
}

/** A node as saved, without links; as high as its widgets. */
function saved(node: RegisteredNode, id: number, pos: readonly [number, number], given: Values): SavedNode {
  const values = widgetValues(node, given)
  const { type } = node.definition
  return {
    ...{ id, type, pos: [...pos], size: [340, 60 + 26 * values.length], flags: {}, order: 4, mode: 0 },
    inputs: [],
    outputs: node.outputNames.map((name, i) => ({ name, type: node.outputTypes[i]!, links: [], slot_index: i })),
    properties: { 'Node name for S&R': type },
    widgets_values: values,
  }
}

/** Wires an output of one node into a new input of another. */
function connect(
  workflow: Workflow,
  from: SavedNode,
  slot: number,
  to: SavedNode,
  name: string,
  widget: boolean,
): void {
  const id = ++workflow.last_link_id
  const { type } = from.outputs[slot]!
  from.outputs[slot]!.links.push(id)
  to.inputs.push({ name, type, link: id, ...(widget && { widget: { name } }) })
  workflow.links.push([id, from.id, slot, to.id, to.inputs.length - 1, type])
}

/** The calibrating node beside the method: it sees what the sampler sees, and its text goes into the method. */
function calibrate(workflow: Workflow, method: SavedNode, node: RegisteredNode, into: string, given: Values): void {
  const sampler = named(workflow, TEMPLATE.sampler)
  const calibrator = saved(node, ++workflow.last_node_id, [400, 860], given)
  workflow.nodes.push(calibrator)
  for (const [name] of node.inputs.filter(([, spec]) => spec.linkOnly && !spec.hidden)) {
    const link = workflow.links.find(([id]) => id === input(sampler, name)?.link)
    const source = link && workflow.nodes.find(({ id }) => id === link[1])
    if (source) connect(workflow, source, link[2], calibrator, name, false)
  }
  connect(workflow, calibrator, node.outputTypes.indexOf('STRING'), method, into, true)
}

/** Takes a link away from both of its ends. */
function disconnect(workflow: Workflow, to: SavedNode, name: string): void {
  const slot = input(to, name)
  const link = workflow.links.find(([id]) => id === slot?.link)
  if (!slot || !link) return
  slot.link = null
  workflow.links = workflow.links.filter((one) => one !== link)
  for (const { outputs } of workflow.nodes)
    for (const output of outputs) output.links = output.links.filter((id) => id !== link[0])
}

/** Lets the method's output into an input of the sampler that is there. */
function reconnect(workflow: Workflow, method: SavedNode, type: string, name: string): void {
  const sampler = named(workflow, TEMPLATE.sampler)
  disconnect(workflow, sampler, name)
  const [id, slot] = [++workflow.last_link_id, method.outputs.findIndex((output) => output.type === type)]
  const at = sampler.inputs.findIndex((one) => one.name === name)
  sampler.inputs[at]!.link = id
  method.outputs[slot]!.links.push(id)
  workflow.links.push([id, method.id, slot, sampler.id, at, type])
}

/** Wires the method to the sampler: its CACHE, or the model through it. */
function wire(workflow: Workflow, node: RegisteredNode, method: SavedNode): void {
  if (node.outputTypes.includes('CACHE')) {
    reconnect(workflow, method, 'CACHE', 'cache')
    return
  }
  disconnect(workflow, named(workflow, TEMPLATE.sampler), 'cache')
  const loader = named(workflow, TEMPLATE.loader)
  connect(
    workflow,
    loader,
    loader.outputs.findIndex(({ type }) => type === 'MODEL'),
    method,
    'model',
    false,
  )
  reconnect(workflow, method, 'MODEL', 'model')
}

/** The template with `node` in DiCache's place. */
function build(template: unknown, node: RegisteredNode, sheet: Sheet | undefined, registry: Registry): Workflow {
  const workflow = Workflow.parse(structuredClone(template))
  const { type, title = type } = node.definition
  const old = named(workflow, TEMPLATE.method)
  const settings = { ...sheet?.shared, ...sheet?.sweep[0]?.with }
  const method = saved(node, old.id, [old.pos[0]!, old.pos[1]!], settings)
  disconnect(workflow, named(workflow, TEMPLATE.sampler), 'cache')
  workflow.nodes = [...workflow.nodes.filter((one) => one !== old), method]
  wire(workflow, node, method)
  workflow.extra['title'] = `Text to image with ${title}`
  named(workflow, TEMPLATE.save).widgets_values[0] = `text-to-image-${type.toLowerCase()}`
  if (sheet?.calibrate) {
    const calibrator = registry.nodes.get(sheet.calibrate.node)
    if (!calibrator) throw new Error(`${sheet.calibrate.node}, which calibrates ${type}, is no node`)
    calibrate(workflow, method, calibrator, sheet.calibrate.into, sheet.calibrate.with)
  }
  return workflow
}

async function sheets(): Promise<ReadonlyMap<string, Sheet>> {
  const files = (await readdir(SETTINGS)).filter((file) => file.endsWith('.json'))
  const read = files.map(async (file) => Sheet.parse(JSON.parse(await readFile(join(SETTINGS, file), 'utf8'))))
  return new Map((await Promise.all(read)).map((sheet) => [sheet.node, sheet]))
}

/** Where workflows lie. */
export const workflowPath = (name: string): string => join(FOLDER, name)

/** The workflow of every caching method but the template's own. */
export async function workflowFiles(registry: Registry): Promise<readonly WorkflowFile[]> {
  const [template, settings] = [
    JSON.parse(await readFile(workflowPath(TEMPLATE.file), 'utf8')) as unknown,
    await sheets(),
  ]
  return [...registry.nodes.values()]
    .filter(isMethod)
    .map((node) => ({ node, method: node.definition.type }))
    .filter(({ method }) => method !== TEMPLATE.method)
    .map(({ node, method }) => ({
      method,
      name: `text-to-image-${method.toLowerCase()}.json`,
      text: `${JSON.stringify(build(template, node, settings.get(method), registry), null, 1)}\n`,
    }))
}
