/** Keeps names inside a folder: the one check for everything that a client, a prompt or a workflow calls a file. */
import { constants } from 'node:fs'
import { lstat, mkdir, open, realpath } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'

/** A name that is not allowed, or leads outside its folder. */
export class OutsideError extends Error {
  override readonly name = 'OutsideError'
}
/** Nothing by that name, or not a plain file. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError'
}

const MAX_LENGTH = 1024
/** Control characters, the Windows separator, and what Windows takes for a drive or a stream. */

const FORBIDDEN = /[\u0000-\u001f\u007f\\:*?"<>|]/
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

function faultOf(part: string): string | null {
  if (part === '' || part === '.') return 'an empty part'
  if (part === '..') return "'..'"
  if (FORBIDDEN.test(part)) return 'a character that file names must not have'
  if (RESERVED.test(part)) return 'a reserved name'
  return /[. ]$/.test(part) ? 'a dot or space at its end' : null
}

/** Checks a relative name with `/` between its parts, without looking at the disk; returns the absolute path below `root`. */
export function inside(root: string, name: string): string {
  const shown = name.length > 80 ? `${name.slice(0, 77)}...` : name
  if (name === '' || name.length > MAX_LENGTH) throw new OutsideError(`file names have 1 to ${MAX_LENGTH} characters`)
  for (const part of name.split('/')) {
    const fault = faultOf(part)
    if (fault) throw new OutsideError(`${JSON.stringify(shown)} is not allowed as a file name: it has ${fault}`)
  }
  return join(root, ...name.split('/'))
}

const within = (root: string, path: string): boolean => path === root || path.startsWith(root + sep)

/** Absolute path of an existing plain file below `root`; links that lead out of it, folders and devices are refused. */
export async function existingFile(root: string, name: string): Promise<string> {
  const path = inside(root, name)
  const real = await realpath(path).catch(() => null)
  if (real === null) throw new NotFoundError(`${JSON.stringify(name)} does not exist`)
  if (!within(await realpath(root), real)) throw new OutsideError(`${JSON.stringify(name)} leads out of its folder`)
  if (!(await lstat(real)).isFile()) throw new NotFoundError(`${JSON.stringify(name)} is not a plain file`)
  return real
}

/** Absolute path for a file to be written below `root`, once its folder exists; refused when a link leads the folder out. */
export async function folderInside(root: string, folder: string): Promise<void> {
  if (!within(await realpath(root), await realpath(folder)))
    throw new OutsideError(`${JSON.stringify(folder.slice(resolve(root).length + 1))} leads out of its folder`)
}

/** Makes a folder below `root` with its parents, nothing of which may lie where a link leads out. */
export async function makeFolder(root: string, folder: string): Promise<void> {
  let there = folder
  while (there !== root && (await lstat(there).catch(() => null)) === null) there = dirname(there)
  await folderInside(root, there)
  await mkdir(folder, { recursive: true })
  await folderInside(root, folder)
}

/** Reads a whole file without following a link in its last part. */
export async function readPlain(path: string): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
