/** What every reader of metadata shares: texts collected under a limit, and bytes looked at without running over their end. */

/** All texts of one file together: a workflow is a few hundred kB, what unpacks or repeats beyond this is an attack. */
export const MAX_TEXT = 32 * 1024 * 1024

/** A file whose texts are more than a workflow can be. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError'
}

/** Texts by name; the first of a name counts. Throws MetadataError when they grow beyond MAX_TEXT bytes. */
export class Texts {
  readonly found = new Map<string, string>()
  #left = MAX_TEXT

  /** Bytes that may still come. */
  get left(): number {
    return this.#left
  }

  /** Takes `bytes` off what may still come. */
  spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0)
      throw new MetadataError(`the texts in this file are more than ${MAX_TEXT >> 20} MB: no workflow is so large`)
  }

  add(name: string, bytes: Uint8Array): void {
    this.spend(bytes.length)
    if (!this.found.has(name)) this.found.set(name, decoded(bytes))
  }
}

const strict = new TextDecoder('utf-8', { fatal: true })

/** Bytes 0x80 to 0x9f too stand for themselves, which TextDecoder's latin1 (Windows-1252) has otherwise. */
export function latin1(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)))
  return parts.join('')
}

/** UTF-8, which most programs write whatever the format says, else Latin-1. */
export function decoded(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes)
  } catch {
    return latin1(bytes)
  }
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Whether `bytes` hold these Latin-1 characters at `at`. */
export function holds(bytes: Uint8Array, at: number, letters: string): boolean {
  for (let i = 0; i < letters.length; i++) if (bytes[at + i] !== letters.charCodeAt(i)) return false
  return true
}
