/** The nodes that can be wired: every file of nodes/<category>/ and of the packs given by --nodes. The folder is the registry. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnyNode } from '../../nodes/define.ts'
import type { Spec, Specs } from '../../nodes/spec.ts'
import { isRecord } from '../json.ts'

export interface RegisteredNode {
  readonly definition: AnyNode
  /** 'nodes' for our own, 'custom_nodes.<pack>' for a pack: what editors draw the origin badge from. */
  readonly module: string
  readonly inputs: readonly (readonly [name: string, spec: Spec<unknown>])[]
  readonly spec: (name: string) => Spec<unknown> | undefined
  /** Output names and port names, in slot order. */
  readonly outputNames: readonly string[]
  readonly outputTypes: readonly string[]
  /** Holds or uses model sessions: such nodes run one at a time, so that they share the processor in turn and times stay true. */
  readonly heavy: boolean
  /** Has inputs that are asked for only when needed. */
  readonly hasLazy: boolean
  /** An output, or one that only waits: run first among those that are ready. */
  readonly showsEarly: boolean
  /** Two nodes of the same class and inputs do not share a result. */
  readonly perNode: boolean
}

export interface Registry {
  readonly nodes: ReadonlyMap<string, RegisteredNode>
  /** Why files were left out, one sentence each. */
  readonly problems: readonly string[]
}

const OWN = resolve(import.meta.dirname, '../../nodes')
const HEAVY_PORTS = new Set(['MODEL', 'CLIP', 'VAE', 'GUIDER'])

/** A file is named after its type in lower case, with dashes where they help reading. */
const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

function register(definition: AnyNode, module: string): RegisteredNode {
  const specs = definition.inputs as Specs
  const inputs = Object.entries(specs) as [string, Spec<unknown>][]
  const outputs = Object.entries(definition.outputs as Record<string, string>)
  const byName = new Map(inputs)
  const ports = [...inputs.map(([, spec]) => spec.type), ...outputs.map(([, type]) => type)]
  const heavy = ports.some((type) => HEAVY_PORTS.has(type))
  const isAsync = definition.run.constructor.name === 'AsyncFunction'
  return {
    definition,
    module,
    inputs,
    spec: (name) => byName.get(name),
    outputNames: outputs.map(([name]) => name),
    outputTypes: outputs.map(([, type]) => type),
    heavy,
    hasLazy: inputs.some(([, spec]) => spec.lazy),
    showsEarly: (definition.isOutput ?? false) || (!heavy && isAsync),
    perNode: (definition.perNode ?? false) || inputs.some(([, spec]) => spec.type === 'UNIQUE_ID'),
  }
}

/** Why this default export cannot be the node of `file` in the folder `category`; null when it can. */
function faultOf(node: unknown, file: string, category: string): string | null {
  if (!isRecord(node) || typeof node['type'] !== 'string' || typeof node['run'] !== 'function')
    return 'its default export is no node: write `export default defineNode({ ... })`'
  if (!isRecord(node['inputs']) || !isRecord(node['outputs'])) return 'inputs and outputs must be objects'
  const wrong = misdeclared(node['inputs'])
  if (wrong.length > 0) return `these inputs are no declarations of inputs: ${wrong.join(', ')}`
  if (bare(node['type']) !== bare(file))
    return `it defines ${node['type']}, so the file must be named like '${kebab(node['type'])}.ts'`
  if (node['category'] !== category) return `its category is '${String(node['category'])}', its folder '${category}'`
  return null
}

/** Names of inputs that were not made by the functions of nodes/spec.ts and nodes/ports.ts, or like them. */
const misdeclared = (inputs: Record<string, unknown>): string[] =>
  Object.entries(inputs).flatMap(([name, spec]) => {
    const fits = isRecord(spec) && typeof spec['type'] === 'string' && typeof spec['parse'] === 'function'
    return fits && typeof spec['options'] === 'function' ? [] : [name]
  })

const kebab = (type: string): string =>
  type
    .replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3-$2$4')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .toLowerCase()

async function nodeFiles(root: string): Promise<{ category: string; path: string }[]> {
  const categories = (await readdir(root, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const files = await Promise.all(
    categories.map(async ({ name: category }) => {
      const entries = await readdir(join(root, category), { withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile() && /(?<!\.d|\.test)\.(ts|js|mjs)$/.test(entry.name))
        .map((entry) => ({ category, path: join(root, category, entry.name) }))
    }),
  )
  return files.flat().sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Milliseconds that loading one file of a pack may take, on however busy a machine. */
const PATIENCE = 60_000

/** Imports a file; throws when that does not end. Our own files are trusted to. */
async function imported(path: string): Promise<{ default?: unknown }> {
  if (path.startsWith(OWN + sep)) return (await import(pathToFileURL(path).href)) as { default?: unknown }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`loading did not end in ${PATIENCE / 1000} s`)), PATIENCE)
  })
  return Promise.race([import(pathToFileURL(path).href) as Promise<{ default?: unknown }>, late]).finally(() =>
    clearTimeout(timer),
  )
}

async function load(path: string, category: string): Promise<AnyNode | string> {
  try {
    const module = await imported(path)
    return faultOf(module.default, basename(path).replace(/\.[a-z]+$/, ''), category) ?? (module.default as AnyNode)
  } catch (error) {
    return `it cannot be loaded: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Reads our own nodes and those of packs. A file that breaks the rules is left out and named in `problems`. */
export async function loadRegistry(packDirs: readonly string[] = []): Promise<Registry> {
  const nodes = new Map<string, RegisteredNode>()
  const problems: string[] = []
  const roots = [{ root: OWN, module: 'nodes' }]
  for (const dir of packDirs) {
    if (existsSync(dir)) roots.push({ root: resolve(dir), module: `custom_nodes.${basename(resolve(dir))}` })
    else problems.push(`${dir}: this folder of nodes does not exist`)
  }
  for (const { root, module } of roots) {
    const files = await nodeFiles(root)
    const loaded = await Promise.all(files.map(({ path, category }) => load(path, category)))
    loaded.forEach((node, index) => {
      const path = files[index]?.path ?? root
      if (typeof node === 'string') problems.push(`${path} is left out: ${node}`)
      else if (nodes.has(node.type)) problems.push(`${path} is left out: the type ${node.type} exists already`)
      else nodes.set(node.type, register(node, module))
    })
  }
  return { nodes, problems }
}
