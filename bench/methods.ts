/** The caching methods of the bench: every method among the nodes, at the settings that its file in bench/settings/ lists. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { CacheConfiguration } from '../diffusion/caching/contract.ts'
import type { DiffusionModel } from '../diffusion/families/contract.ts'
import type { Files, Reporter, RunContext } from '../nodes/define.ts'
import { loadRegistry, type RegisteredNode } from '../server/engine/registry.ts'
import type { Setting, Wired } from './setting.ts'

const FOLDER = join(import.meta.dirname, 'settings')

const fileSchema = z.strictObject({
  /** Class name of the node. */
  node: z.string(),
  /** True for methods that decide before the run: the rivals of those that decide during it. */
  fixed: z.boolean().default(false),
  /** Every setting's parameters, where they are not the node's defaults; left out of the names. */
  shared: z.record(z.string(), z.unknown()).default({}),
  /** Parameters of each setting; the first one is the quick bench's. */
  sweep: z
    .array(
      z.strictObject({
        /** Stands in for the list of parameters in the setting's name. */
        name: z.string().optional(),
        /** Only for runs of so many steps, as with masks that were made for them. */
        steps: z.int().optional(),
        with: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1),
})
type Sheet = z.infer<typeof fileSchema>

/** A node that needs no link but MODEL and gives a CACHE, or a MODEL for a MODEL: a caching method by itself. */
export function isMethod({ definition, inputs, outputTypes }: RegisteredNode): boolean {
  const links = inputs.filter(([, spec]) => spec.linkOnly && spec.required).map(([, spec]) => spec.type)
  const patches = links.includes('MODEL') && outputTypes.includes('MODEL')
  return (
    definition.category === 'caching' &&
    links.every((type) => type === 'MODEL') &&
    (outputTypes.includes('CACHE') || patches)
  )
}

const noLists = (): readonly string[] => []

/** Every input of the node but its links: those given, and defaults. Throws one error that names all that do not fit. */
function valuesFor({ definition, inputs }: RegisteredNode, given: Readonly<Record<string, unknown>>, where: string) {
  const widgets = inputs.filter(([, spec]) => !spec.linkOnly && !spec.hidden)
  const known = widgets.map(([name]) => name)
  const unknown = Object.keys(given).filter((name) => !known.includes(name))
  const faults = unknown.map((name) => `'${name}' is no input of ${definition.type}; it has ${known.join(', ')}`)
  const values: Record<string, unknown> = {}
  for (const [name, spec] of widgets) {
    const value = given[name] ?? spec.options(noLists)['default']
    if (value === undefined && !spec.required) continue
    const parsed = spec.parse(value, noLists)
    if (parsed.ok) values[name] = parsed.value
    else faults.push(`${name}: ${parsed.fault.message} ${parsed.fault.details}`.trim())
  }
  if (faults.length === 0) faults.push(...Object.values(definition.validate?.(values) ?? {}))
  if (faults.length > 0) throw new Error(`${where}: ${faults.join('; ')}`)
  return values
}

const refuse = (what: string) => (): Promise<never> =>
  Promise.reject(new Error(`bench: a caching method asked for ${what}, which the bench does not offer`))

/** What a node may use beside its inputs: here nothing but the signal. */
function context(): RunContext {
  const report: Reporter = { progress() {}, preview() {}, cacheRows() {}, sampled() {}, warn() {} }
  const files: Files = { resolve: refuse('a file'), save: refuse('a place for a file') }
  const models = { checkpoint: refuse('a checkpoint'), diffusionModel: refuse('a model') }
  return { nodeId: 'bench', signal: new AbortController().signal, report, files, models, metadata: false }
}

/** The node's outputs for this model: a CACHE for the sampler, or the MODEL that carries one. */
async function wire(
  node: RegisteredNode,
  values: Readonly<Record<string, unknown>>,
  model: DiffusionModel,
): Promise<Wired> {
  const links = Object.fromEntries(
    node.inputs.filter(([, { linkOnly, type }]) => linkOnly && type === 'MODEL').map(([name]) => [name, model]),
  )
  const produced = (await node.definition.run({ ...values, ...links }, context())) as Readonly<Record<string, unknown>>
  const output = (port: string): unknown => produced[node.outputNames[node.outputTypes.indexOf(port)] ?? '']
  const wired = (output('MODEL') ?? model) as DiffusionModel
  const cache = (output('CACHE') ?? wired.cache ?? null) as CacheConfiguration | null
  if (!cache) throw new Error(`${node.definition.type} gave neither a CACHE nor a MODEL that carries one`)
  return { model: wired, cache }
}

const shown = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))

const nameOf = (type: string, chosen: Readonly<Record<string, unknown>>): string =>
  [
    type,
    Object.entries(chosen)
      .map(([name, value]) => `${name} ${shown(value)}`)
      .join(', '),
  ]
    .filter(Boolean)
    .join(' ')

function settingsOf(node: RegisteredNode, sheet: Sheet, steps: number): readonly Setting[] {
  const { type } = node.definition
  return sheet.sweep
    .filter((one) => one.steps === undefined || one.steps === steps)
    .map((one) => {
      const values = valuesFor(node, { ...sheet.shared, ...one.with }, `bench/settings, ${type}`)
      return {
        role: sheet.fixed ? 'mask' : 'method',
        method: type,
        name: one.name ? `${type} ${one.name}` : nameOf(type, one.with),
        sampler: 'euler',
        steps,
        params: values,
        wire: (model) => wire(node, values, model),
      }
    })
}

/** The sheets of bench/settings/, by node. Throws for a file that does not fit, and for two of one node. */
async function sheets(folder: string): Promise<ReadonlyMap<string, Sheet>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()
  const found = new Map<string, Sheet>()
  for (const file of files) {
    const parsed = fileSchema.safeParse(JSON.parse(await readFile(join(folder, file), 'utf8')))
    if (!parsed.success) throw new Error(`${join(folder, file)}: ${z.prettifyError(parsed.error)}`)
    if (found.has(parsed.data.node)) throw new Error(`${join(folder, file)}: ${parsed.data.node} has a file already`)
    found.set(parsed.data.node, parsed.data)
  }
  return found
}

export interface MethodOptions {
  readonly steps: number
  /** Only the first setting of each method. */
  readonly quick: boolean
  /** Class names; all when empty. Fixed masks always stay: they are what the others are judged by. */
  readonly only: readonly string[]
  /** Told of nodes that could not be loaded. */
  warn(problem: string): void
}

/**
 * All settings of all methods among the nodes; a method without a file runs at its defaults. Throws for a name in `only`
 * that is no method, and for a file of a node that is none, naming what there is.
 */
export async function methodSettings(options: MethodOptions, folder = FOLDER): Promise<readonly Setting[]> {
  const { nodes, problems } = await loadRegistry()
  problems.forEach((problem) => options.warn(problem))
  const methods = new Map([...nodes].filter(([, node]) => isMethod(node)))
  const written = await sheets(folder)
  const strangers = [...written.keys(), ...options.only].filter((name) => !methods.has(name))
  if (strangers.length > 0)
    throw new Error(`bench: no caching method ${strangers.join(', ')}; there is ${[...methods.keys()].join(', ')}`)
  return [...methods].flatMap(([type, node]) => {
    const sheet = written.get(type) ?? { node: type, fixed: false, shared: {}, sweep: [{ with: {} }] }
    if (options.only.length > 0 && !options.only.includes(type) && !sheet.fixed) return []
    return settingsOf(node, sheet, options.steps).slice(0, options.quick ? 1 : undefined)
  })
}
