/** Reads ComfyUI's `extra_model_paths.yaml`: further folders of models, each for the files of one kind. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { folderNamed, type ModelDir } from './model-folders.ts'

/** A section: where its paths begin, whether its folders come before all others, and paths by folder, one a line. */
const Section = z
  .object({ base_path: z.string().nullish(), is_default: z.boolean().nullish() })
  .catchall(z.union([z.string(), z.array(z.string()), z.null()]))
const Config = z.record(z.string(), Section.nullable()).nullable()

export interface ExtraModelDirs {
  /** Of sections with `is_default`: they come before all other folders. */
  readonly first: readonly ModelDir[]
  /** They come after the user's own folders. */
  readonly last: readonly ModelDir[]
}

/** `~` and `$NAME` or `${NAME}` as a shell expands them; names that are not set stay. */
const expanded = (path: string): string =>
  path
    .replace(/^~(?=\/|$)/, homedir())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, a?: string, b?: string) => process.env[a ?? b ?? ''] ?? whole)

function dirsOf(section: z.output<typeof Section>, home: string): ModelDir[] {
  const { base_path, is_default: _, ...folders } = section
  const base = base_path ? resolve(home, expanded(base_path)) : home
  return Object.entries(folders).flatMap(([key, value]) => {
    // Kinds of models that are not known here, and `custom_nodes`, are for other programs.
    const folder = folderNamed(key)
    const lines = (typeof value === 'string' ? value.split('\n') : (value ?? [])).map((line) => line.trim())
    if (folder === null) return []
    return lines
      .filter((line) => line !== '')
      .map((line) => ({ folder, path: isAbsolute(line) ? line : join(base, line) }))
  })
}

/** Relative paths begin at the section's `base_path`, and that at the file. Throws an Error that names the file and every fault in it. */
export function readExtraModelPaths(file: string): ExtraModelDirs {
  let posted: unknown
  try {
    posted = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file} cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  const config = Config.safeParse(posted)
  if (!config.success) {
    const faults = config.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`)
    throw new Error(`${file} is no list of model folders: ${faults.join('; ')}`)
  }
  const home = dirname(resolve(file))
  const sections = Object.values(config.data ?? {}).filter((section) => section !== null)
  const of = (isDefault: boolean) =>
    sections.filter(({ is_default }) => (is_default === true) === isDefault).flatMap((section) => dirsOf(section, home))
  return { first: of(true), last: of(false) }
}
