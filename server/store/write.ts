/** Writes files whole or not at all: a temporary file beside the target, flushed to disk, then given its name. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Names of unfinished files begin so; listings leave them out and a start removes what a crash left behind. */
export const UNFINISHED = '.heddle-unfinished-'

async function writeBeside(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = join(dirname(path), UNFINISHED + randomBytes(8).toString('hex'))
  const handle = await open(temporary, 'wx')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return temporary
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Puts `bytes` at `path`, replacing what is there. Parents are made. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = await writeBeside(path, bytes)
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** Puts `bytes` at the first of `paths` that is free, and returns it; an existing file is never replaced. */
export async function writeFirstFree(paths: Iterable<string>, bytes: Uint8Array): Promise<string> {
  let temporary: string | null = null
  try {
    for (const path of paths) {
      temporary ??= await writeBeside(path, bytes)
      try {
        await link(temporary, path)
        await syncFolder(dirname(path))
        return path
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
    throw new Error('no free name is left')
  } finally {
    if (temporary !== null) await rm(temporary, { force: true })
  }
}
