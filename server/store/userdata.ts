/** The user's own files, such as saved workflows, below one folder. */
import { existsSync } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { existingFile, folderInside, inside, makeFolder, NotFoundError, readPlain } from './confine.ts'
import { filesBelow } from './model-folders.ts'
import { UNFINISHED, writeWhole } from './write.ts'

/** Size in bytes; times in seconds. */
export interface FileFacts {
  readonly path: string
  readonly size: number
  readonly modified: number
  readonly created: number
}

/** There is a file by that name, and it was not to be replaced. */
export class ExistsError extends Error {
  override readonly name = 'ExistsError'
}

/** Something by that name, but no folder. */
export class NotFolderError extends Error {
  override readonly name = 'NotFolderError'
}

/** A file or folder of a listing; `path` from the user's root, size in bytes, `modified` in seconds. */
export interface TreeEntry {
  readonly name: string
  readonly path: string
  readonly type: 'file' | 'directory'
  readonly size?: number
  readonly modified?: number
}

export class UserData {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** Names of the files in `dir`, relative to it. Throws NotFoundError when there is no such folder. */
  async list(dir: string, recurse: boolean): Promise<string[]> {
    const path = dir === '' ? this.#root : inside(this.#root, dir.replace(/\/+$/, ''))
    if (!existsSync(path)) throw new NotFoundError(`there is no folder '${dir}'`)
    await folderInside(this.#root, path)
    if (recurse) return filesBelow(path, () => true)
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile() && !entry.name.startsWith(UNFINISHED)).map(({ name }) => name)
  }

  /** Everything below `dir`, folders first, then by name without case. */
  async tree(dir: string): Promise<TreeEntry[]> {
    const name = dir.replace(/^\/+|\/+$/g, '')
    const path = name === '' ? this.#root : inside(this.#root, name)
    const found = await stat(path).catch(() => null)
    if (!found) {
      if (name === '') return []
      throw new NotFoundError(`there is no folder '${dir}'`)
    }
    if (!found.isDirectory()) throw new NotFolderError(`'${dir}' is not a folder`)
    await folderInside(this.#root, path)
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const kept = entries.filter((one) => (one.isFile() || one.isDirectory()) && !one.name.startsWith(UNFINISHED))
    const listed = await Promise.all(
      kept.map(async (one): Promise<TreeEntry> => {
        const full = join(one.parentPath, one.name)
        const shown = { name: one.name, path: relative(this.#root, full).replaceAll('\\', '/') }
        if (one.isDirectory()) return { ...shown, type: 'directory' }
        const { size, mtimeMs } = await stat(full)
        return { ...shown, type: 'file', size, modified: mtimeMs / 1000 }
      }),
    )
    const key = ({ type, path: full }: TreeEntry) => `${type === 'directory' ? 0 : 1}${full.toLowerCase()}`
    return listed.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  }

  async facts(name: string, shown = name): Promise<FileFacts> {
    const { size, mtimeMs, birthtimeMs } = await stat(await existingFile(this.#root, name))
    return { path: shown, size, modified: mtimeMs / 1000, created: birthtimeMs / 1000 }
  }

  async read(name: string): Promise<Buffer> {
    return readPlain(await existingFile(this.#root, name))
  }

  /** Throws ExistsError when `overwrite` is false and the file is there. */
  async write(name: string, bytes: Uint8Array, overwrite: boolean): Promise<void> {
    await writeWhole(await this.#target(name, overwrite), bytes)
  }

  async remove(name: string): Promise<void> {
    await rm(await existingFile(this.#root, name))
  }

  async move(from: string, to: string, overwrite: boolean): Promise<void> {
    const source = await existingFile(this.#root, from)
    await rename(source, await this.#target(to, overwrite))
  }

  async #target(name: string, overwrite: boolean): Promise<string> {
    const path = inside(this.#root, name)
    if (!overwrite && existsSync(path)) throw new ExistsError(`'${name}' exists already`)
    await makeFolder(this.#root, dirname(path))
    return join(path)
  }
}
