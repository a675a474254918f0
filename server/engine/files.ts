/** Files as nodes see them: names confined to the server's folders, ComfyUI's counter names, whole files only. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { FileReference, Files } from '../../nodes/define.ts'
import { existingFile, inside, makeFolder, OutsideError } from '../store/confine.ts'
import { writeFirstFree } from '../store/write.ts'

export interface Folders {
  readonly input: string
  readonly output: string
  readonly temp: string
}

type Size = Parameters<Files['save']>[4]

/** Fills %width%, %height%, %batch_num% and the parts of the date in a prefix. Unknown names between % stay as they are. */
export function fillPrefix(prefix: string, size: Size, now = new Date()): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const tokens: Readonly<Record<string, string>> = {
    width: String(size.width),
    height: String(size.height),
    batch_num: String(size.batchNumber ?? 0),
    year: String(now.getFullYear()),
    month: two(now.getMonth() + 1),
    day: two(now.getDate()),
    hour: two(now.getHours()),
    minute: two(now.getMinutes()),
    second: two(now.getSeconds()),
  }
  return prefix.replace(/%([a-z_]{1,16})%/g, (whole, name: string) =>
    Object.hasOwn(tokens, name) ? tokens[name]! : whole,
  )
}

/** One more than the highest counter that files `<name>_<digits>_...` in the folder have. */
async function nextCounter(folder: string, name: string): Promise<number> {
  let highest = 0
  for (const file of await readdir(folder)) {
    if (!file.toLowerCase().startsWith(`${name.toLowerCase()}_`)) continue
    const digits = /^(\d{1,12})(?=[_.])/.exec(file.slice(name.length + 1))?.[1]
    if (digits !== undefined) highest = Math.max(highest, Number(digits))
  }
  return highest + 1
}

function* counted(folder: string, name: string, first: number, extension: string): Generator<string> {
  for (let counter = first; counter < first + 10_000; counter++)
    yield join(folder, `${name}_${String(counter).padStart(5, '0')}_.${extension}`)
}

/** The path that a prefix begins, with its folder made; a refusal names the input that the prefix came in by. */
async function prefixInside(root: string, prefix: string): Promise<string> {
  try {
    const path = inside(root, prefix)
    await makeFolder(root, dirname(path))
    return path
  } catch (error) {
    throw error instanceof OutsideError ? new OutsideError(`filename_prefix: ${error.message}`) : error
  }
}

export class ConfinedFiles implements Files {
  readonly #folders: Folders

  constructor(folders: Folders) {
    this.#folders = folders
  }

  resolve(folder: keyof Folders, name: string): Promise<string> {
    return existingFile(this.#folders[folder], name)
  }

  async save(
    folder: 'output' | 'temp',
    prefix: string,
    extension: string,
    bytes: Uint8Array,
    size: Size,
  ): Promise<FileReference> {
    if (!/^[a-z0-9]{1,8}$/.test(extension)) throw new Error(`'${extension}' is no file name extension`)
    const root = this.#folders[folder]
    const target = await prefixInside(root, fillPrefix(prefix, size))
    const place = dirname(target)
    const name = basename(target)
    const path = await writeFirstFree(counted(place, name, await nextCounter(place, name), extension), bytes)
    const subfolder = relative(root, place).split(sep).join('/')
    return { filename: basename(path), subfolder, type: folder }
  }
}
