/** The caching methods of the bench: every method among the nodes, at the settings that its file in bench/settings/ lists. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { CacheConfiguration } from '../diffusion/caching/contract.ts'
import type { DiffusionModel } from '../diffusion/families/contract.ts'
import type { RegisteredNode, Registry } from '../server/engine/registry.ts'
import type { Calibrate } from './calibrate.ts'
import { isMethod, runNode, valuesFor, type Values } from './nodes.ts'
import type { Setting, Wired } from './setting.ts'

const FOLDER = join(import.meta.dirname, 'settings')

const fileSchema = z.strictObject({
  /** Class name of the node. */
  node: z.string(),
  /** True for methods that decide before the run: the rivals of those that decide during it. */
  fixed: z.boolean().default(false),
  /** The node whose text goes into the input `into`, for methods that have to be calibrated for a model; `with` are its parameters. */
  calibrate: z
    .strictObject({ node: z.string(), into: z.string(), with: z.record(z.string(), z.unknown()).default({}) })
    .optional(),
  /** Every setting's parameters, where they are not the node's defaults; left out of the names. */
  shared: z.record(z.string(), z.unknown()).default({}),
  /** Parameters of each setting; the first one is the quick bench's. */
  sweep: z
    .array(
      z.strictObject({
        /** Stands in for the list of parameters in the setting's name. */
        name: z.string().optional(),
        /** Which of the method's rows in the README this one may stand in, where it has several. */
        group: z.string().optional(),
        /** Only for runs of so many steps, as with masks that were made for them. */
        steps: z.int().optional(),
        /** Only for runs with this time shift. */
        shift: z.number().optional(),
        /** What is wired into its links: a CACHE of another method, by input. */
        links: z
          .record(z.string(), z.strictObject({ node: z.string(), with: z.record(z.string(), z.unknown()) }))
          .default({}),
        /** This setting's own parameters of the calibrating node; false leaves the calibration out. */
        calibrate: z.union([z.literal(false), z.record(z.string(), z.unknown())]).default({}),
        with: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1),
})
type Sheet = z.infer<typeof fileSchema>
type Line = Sheet['sweep'][number]

/** The node's outputs for this model: a CACHE for the sampler, or the MODEL that carries one. */
async function wire(node: RegisteredNode, values: Values, wired: Values, model: DiffusionModel): Promise<Wired> {
  const models = Object.fromEntries(
    node.inputs.filter(([, { linkOnly, type }]) => linkOnly && type === 'MODEL').map(([name]) => [name, model]),
  )
  const outputs = await runNode(node, values, { ...models, ...wired })
  const patched = (outputs.get('MODEL') ?? model) as DiffusionModel
  const cache = (outputs.get('CACHE') ?? patched.cache ?? null) as CacheConfiguration | null
  if (!cache) throw new Error(`${node.definition.type} gave neither a CACHE nor a MODEL that carries one`)
  return { model: patched, cache }
}

/** The caches that a line wires into its node, by input, and what they are. */
async function linked({ links }: Line, { registry }: MethodOptions) {
  const made = await Promise.all(
    Object.entries(links).map(async ([input, { node: type, with: chosen }]) => {
      const node = registry.nodes.get(type)
      if (!node) throw new Error(`bench/settings: there is no node ${type} to wire into ${input}`)
      const values = valuesFor(node, chosen, `bench/settings, ${type}`)
      const cache = (await runNode(node, values, {})).get('CACHE')
      return { input, cache, about: { node: type, ...values } }
    }),
  )
  return {
    caches: Object.fromEntries(made.map(({ input, cache }) => [input, cache])),
    about: Object.fromEntries(made.map(({ input, about }) => [input, about])),
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function nameOf(type: string, { name, with: chosen }: Line): string {
  const parameters = Object.entries(chosen).map(([key, value]) => `${key} ${shown(value)}`)
  return [type, name ?? parameters.join(', ')].filter(Boolean).join(' ')
}

async function settingOf(node: RegisteredNode, sheet: Sheet, line: Line, options: MethodOptions): Promise<Setting> {
  const { type } = node.definition
  const { calibrate } = sheet
  const calibrated =
    calibrate && line.calibrate
      ? { [calibrate.into]: await options.calibrate(calibrate.node, { ...calibrate.with, ...line.calibrate }) }
      : {}
  const links = await linked(line, options)
  const values = valuesFor(node, { ...sheet.shared, ...calibrated, ...line.with }, `bench/settings, ${type}`)
  return {
    role: sheet.fixed ? 'mask' : 'method',
    method: type,
    group: line.group,
    name: nameOf(type, line),
    sampler: 'euler',
    steps: options.steps,
    params: { ...values, ...links.about },
    wire: (model) => wire(node, values, links.caches, model),
  }
}

async function settingsOf(node: RegisteredNode, sheet: Sheet, options: MethodOptions): Promise<readonly Setting[]> {
  const lines = sheet.sweep.filter(
    ({ steps = options.steps, shift = options.shift }) => steps === options.steps && shift === options.shift,
  )
  const settings: Setting[] = []
  for (const line of options.quick ? lines.slice(0, 1) : lines)
    settings.push(await settingOf(node, sheet, line, options))
  return settings
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
  readonly registry: Registry
  /** Makes the calibrations that sheets ask for. */
  readonly calibrate: Calibrate
  readonly steps: number
  /** Time shift of the runs; null, or left out, for models that are no flows. */
  readonly shift?: number | null
  /** Only the first setting of each method. */
  readonly quick: boolean
  /** Class names; all when empty. Fixed masks always stay: they are what the others are judged by. */
  readonly only: readonly string[]
}

/**
 * All settings of all methods among the nodes; a method without a file runs at its defaults. Throws for a name in `only`
 * that is no method, and for a file of a node that is none, naming what there is.
 */
export async function methodSettings(options: MethodOptions, folder = FOLDER): Promise<readonly Setting[]> {
  const methods = new Map([...options.registry.nodes].filter(([, node]) => isMethod(node)))
  const written = await sheets(folder)
  const strangers = [...written.keys(), ...options.only].filter((name) => !methods.has(name))
  if (strangers.length > 0)
    throw new Error(`bench: no caching method ${strangers.join(', ')}; there is ${[...methods.keys()].join(', ')}`)
  const settings: Setting[] = []
  for (const [type, node] of methods) {
    const sheet = written.get(type) ?? fileSchema.parse({ node: type, sweep: [{ with: {} }] })
    if (options.only.length > 0 && !options.only.includes(type) && !sheet.fixed) continue
    settings.push(...(await settingsOf(node, sheet, options)))
  }
  return settings
}
