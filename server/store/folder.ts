/** Makes the folders that data is kept in, and says in words why one cannot be made or written. */
import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'the system forbids writing there',
  EROFS: 'it lies on a disk that is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a file is in the way',
  EEXIST: 'a file is in the way',
  ENOENT: 'no folder can be made there',
}

async function make(path: string): Promise<void> {
  const there = await stat(path).catch(() => null)
  if (there?.isDirectory()) return
  // One at a time: where the system answers ENOENT to every try, as below /proc, Node's recursive mkdir never returns.
  if (dirname(path) !== path) await make(dirname(path))
  await mkdir(path).catch(async (error: unknown) => {
    // Another process may have made it meanwhile.
    if (!(await stat(path).catch(() => null))?.isDirectory()) throw error
  })
}

/**
 * Makes a folder and those above it, and checks that files can be written to it.
 * Throws an Error that names the folder, the reason and the option that `how` gives.
 */
export async function makeFolder(path: string, how: string): Promise<void> {
  try {
    await make(path)
    await access(path, constants.W_OK)
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    throw new Error(
      `The folder ${path} cannot be used: ${REASONS[code] ?? code} (${code}). Mend that, or give another folder with ${how}.`,
      { cause: error },
    )
  }
}
