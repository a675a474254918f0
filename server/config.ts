/** What a server is started with, and the folders that follow from it. */
import { existsSync } from 'node:fs'
import { cp, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { CachePolicy, EngineInit } from './engine/protocol.ts'
import type { DataFolders } from './http/context.ts'
import { readExtraModelPaths } from './store/extra-model-paths.ts'
import { makeFolder } from './store/folder.ts'
import type { ModelDir } from './store/model-folders.ts'
import { UNFINISHED } from './store/write.ts'

/** The folder of the program itself. */
export const PROGRAM = resolve(import.meta.dirname, '..')

/** Where data and models lie: shared by all commands. */
export interface PlaceOptions {
  readonly data: string
  readonly models?: readonly string[]
  readonly nodes?: readonly string[]
  /** ComfyUI's YAML files of further model folders. */
  readonly extraModelPathsConfig?: readonly string[]
  readonly inputDirectory?: string
  readonly outputDirectory?: string
  readonly tempDirectory?: string
  /** Gigabytes of weights that may be open at once. */
  readonly memory?: number
}

export interface Places {
  readonly folders: DataFolders
  readonly database: string
  readonly modelDirs: readonly ModelDir[]
  readonly nodeDirs: readonly string[]
  /** Bytes of weights that may be open at once; null for a share of the machine's memory. */
  readonly memory: number | null
}

/** What the YAML files name. One that is not there is told of and passed over: scripts for ComfyUI name files of its own. */
function extraModelDirs(files: readonly string[] = []) {
  return files.flatMap((file) => {
    if (existsSync(file)) return [readExtraModelPaths(file)]
    process.stderr.write(`heddle: --extra-model-paths-config ${file}: there is no such file\n`)
    return []
  })
}

/** Absolute paths of everything; the shipped models come after the user's. Throws for a faulty YAML file of model folders. */
export function placesOf(options: PlaceOptions): Places {
  const data = resolve(options.data)
  const folder = (given: string | undefined, name: string) => (given === undefined ? join(data, name) : resolve(given))
  const extra = extraModelDirs(options.extraModelPathsConfig)
  const modelDirs: ModelDir[] = [
    ...extra.flatMap(({ first }) => first),
    ...(options.models ?? []).map((dir) => resolve(dir)),
    join(data, 'models'),
    ...extra.flatMap(({ last }) => last),
    join(PROGRAM, 'models'),
  ]
  return {
    folders: {
      input: folder(options.inputDirectory, 'input'),
      output: folder(options.outputDirectory, 'output'),
      temp: folder(options.tempDirectory, 'temp'),
      user: join(data, 'user'),
    },
    database: join(data, 'heddle.db'),
    modelDirs: [...new Set(modelDirs)],
    nodeDirs: (options.nodes ?? []).map((dir) => resolve(dir)),
    memory: options.memory === undefined ? null : options.memory * 1e9,
  }
}

/** Names of given model folders that are not there. */
export const missingDirs = (dirs: readonly string[] = []): readonly string[] => dirs.filter((dir) => !existsSync(dir))

/** Pictures that the shipped workflows load. */
const EXAMPLES = join(PROGRAM, 'workflows', 'input')

/** Makes what is not there yet; a new input folder starts with the example pictures. Throws for a folder that cannot be written. */
export async function makeFolders({ input, output, temp, user }: DataFolders): Promise<void> {
  // Editors list these two at every start.
  for (const name of ['workflows', 'subgraphs']) await makeFolder(join(user, name), '--data')
  await makeFolder(output, '--data, --output-directory or (heddle run) --out')
  await makeFolder(temp, '--data or --temp-directory')
  // One that is there may be read-only: workflows only read from it.
  if (existsSync(input)) return
  await makeFolder(input, '--data or --input-directory')
  await cp(EXAMPLES, input, { recursive: true })
}

/** Removes what a crash left unfinished anywhere below `folder`. */
export async function sweep(folder: string): Promise<void> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const unfinished = files.filter((file) => file.isFile() && file.name.startsWith(UNFINISHED))
  await Promise.all(unfinished.map((file) => rm(join(file.parentPath, file.name), { force: true })))
}

/** Removes everything in the temp folder, but not the folder. */
export async function emptyFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })))
}

/** Options that choose what the engine keeps between prompts; ComfyUI's names. */
export interface CacheOptions {
  readonly cacheNone?: boolean
  readonly cacheLru?: number
  /** Gigabytes. */
  readonly cacheRam?: number
}

/** Of several the most frugal; 0 for a number means classic, as with ComfyUI. */
export function cachePolicyOf({ cacheNone, cacheLru = 0, cacheRam = 0 }: CacheOptions): CachePolicy {
  if (cacheNone) return { kind: 'none' }
  if (cacheLru > 0) return { kind: 'lru', size: cacheLru }
  return cacheRam > 0 ? { kind: 'memory', gigabytes: cacheRam } : { kind: 'classic' }
}

interface EngineOptions {
  readonly metadata: boolean
  readonly previewSize: number
  readonly cache?: CachePolicy
  readonly markFile?: string
}

export const engineInit = (
  { folders, modelDirs, nodeDirs, memory }: Places,
  { metadata, previewSize, cache = { kind: 'classic' }, markFile }: EngineOptions,
): EngineInit => ({ folders, modelDirs, nodeDirs, memory, metadata, previewSize, cache, markFile: markFile ?? null })
