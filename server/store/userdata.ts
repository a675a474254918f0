/** The user's own files, such as saved workflows, below one folder. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { existingFile, folderInside, inside, NotFoundError, readPlain } from './confine.ts'
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
    await mkdir(dirname(path), { recursive: true })
    await folderInside(this.#root, dirname(path))
    return join(path)
  }
}
