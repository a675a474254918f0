/** Which model files exist, by ComfyUI's folder names: what loaders offer and GET /models lists. */
import { existsSync, readdirSync, statSync, type Dirent } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { TAESD_NAMES } from '../../diffusion/families/vae/taesd-names.ts'
import { FILE_FOLDERS, type FileFolder } from '../../nodes/spec.ts'
import { UNFINISHED } from './write.ts'

/** Folder names as users have them; the second of a pair is its older name. */
export const MODEL_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  checkpoints: ['checkpoints'],
  diffusion_models: ['diffusion_models', 'unet'],
  text_encoders: ['text_encoders', 'clip'],
  vae: ['vae'],
  vae_approx: ['vae_approx'],
  loras: ['loras'],
  clip_vision: ['clip_vision'],
  controlnet: ['controlnet'],
  embeddings: ['embeddings'],
  upscale_models: ['upscale_models'],
}

/** A folder whose parts are named as in MODEL_FOLDERS, or one that holds files of one kind alone. */
export type ModelDir = string | { readonly folder: string; readonly path: string }

/** The kind of models that a folder of this name holds; null when it is none of ours. */
export function folderNamed(name: string): string | null {
  if (name === 'diffusers') return 'checkpoints'
  const found = Object.entries(MODEL_FOLDERS).find(([folder, parts]) => folder === name || parts.includes(name))
  return found?.[0] ?? null
}
const WEIGHTS = /\.(safetensors|sft)$/i
const MAX_DEPTH = 6
const INDEX = 'model_index.json'

function entries(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).filter((entry) => !entry.name.startsWith('.'))
  } catch {
    return []
  }
}

/** A link counts as what it leads to: models are often linked in from other disks. */
function kindOf(dir: string, entry: Dirent): 'file' | 'folder' | 'other' {
  if (!entry.isSymbolicLink()) return entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other'
  const target = statSync(join(dir, entry.name), { throwIfNoEntry: false })
  return target?.isFile() ? 'file' : target?.isDirectory() ? 'folder' : 'other'
}

/** Relative names of files below `root` that `takes` accepts, with `/` between parts, sorted. */
export function filesBelow(root: string, takes: (name: string) => boolean): string[] {
  const found: string[] = []
  const visit = (prefix: string, depth: number): void => {
    const dir = join(root, prefix)
    for (const entry of entries(dir)) {
      const kind = kindOf(dir, entry)
      const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`
      if (kind === 'file' && takes(entry.name)) found.push(name)
      else if (kind === 'folder' && depth < MAX_DEPTH) visit(name, depth + 1)
    }
  }
  visit('', 0)
  return found.sort()
}

/** Folders in diffusers layout directly below `root`, or below one of these parts of it. */
function diffusersFolders(root: string, parts: readonly string[]): { name: string; path: string }[] {
  return ['', ...parts].flatMap((part) => {
    const dir = join(root, part)
    return entries(dir)
      .filter((entry) => kindOf(dir, entry) === 'folder' && existsSync(join(dir, entry.name, INDEX)))
      .map(({ name }) => ({ name, path: join(dir, name) }))
  })
}

/** Absolute paths of the directories that a folder of models is made of. */
export const modelFolderDirs = (modelDirs: readonly ModelDir[], folder: string): string[] =>
  modelDirs.flatMap((dir) => {
    if (typeof dir === 'string') return (MODEL_FOLDERS[folder] ?? []).map((part) => join(resolve(dir), part))
    return dir.folder === folder ? [resolve(dir.path)] : []
  })

export interface ModelFile {
  readonly name: string
  /** Absolute path of the file, or of the folder in diffusers layout. */
  readonly path: string
}

/** Everything that `folder` offers over all model directories; of two with one name the first directory's counts. */
export function modelsIn(modelDirs: readonly ModelDir[], folder: string): readonly ModelFile[] {
  const found = new Map<string, string>()
  const put = (name: string, path: string) => {
    if (!found.has(name)) found.set(name, path)
  }
  for (const dir of modelDirs) {
    const root = resolve(typeof dir === 'string' ? dir : dir.path)
    const parts = typeof dir === 'string' ? ['checkpoints', 'diffusers'] : []
    if (folder === 'checkpoints' && (typeof dir === 'string' || dir.folder === folder))
      for (const { name, path } of diffusersFolders(root, parts)) put(name, path)
    for (const place of modelFolderDirs([dir], folder))
      for (const name of filesBelow(place, (file) => WEIGHTS.test(file))) {
        const inDiffusers = [...found.keys()].some((known) => name.startsWith(`${known}/`))
        if (!inDiffusers) put(name, join(place, name))
      }
  }
  return [...found].map(([name, path]) => ({ name, path })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * The user's files of this TAESD in vae_approx/: `<name>.*`, or `<name>_decoder.*` and, if it is there, `<name>_encoder.*`. None for other names,
 * and where there is no decoder.
 */
export function taesdFiles(modelDirs: readonly ModelDir[], name: string): readonly ModelFile[] {
  if (!TAESD_NAMES.includes(name)) return []
  const files = modelsIn(modelDirs, 'vae_approx')
  const named = (stem: string) => files.filter((file) => basename(file.name).startsWith(`${stem}.`)).slice(0, 1)
  const [whole, decoder] = [named(name), named(`${name}_decoder`)]
  if (whole.length > 0) return whole
  return decoder.length > 0 ? [...decoder, ...named(`${name}_encoder`)] : []
}

const isFinished = (name: string): boolean => !name.startsWith(UNFINISHED)
const isPicture = (name: string): boolean => isFinished(name) && /\.(png|jpe?g|webp|gif|avif|tiff?|bmp)$/i.test(name)

/** Choices of file inputs: names of models, or of pictures in the folder for input, output or temporary files. */
export function listFiles(
  modelDirs: readonly ModelDir[],
  folders: Readonly<Record<FileFolder, string>>,
  folder: string,
): readonly string[] {
  const pictures = FILE_FOLDERS.find((one) => one === folder)
  if (pictures) return filesBelow(folders[pictures], isPicture)
  const names = modelsIn(modelDirs, folder).map(({ name }) => name)
  return folder === 'vae' ? [...names, ...TAESD_NAMES.filter((name) => taesdFiles(modelDirs, name).length > 0)] : names
}
