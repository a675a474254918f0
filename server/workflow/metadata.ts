/** Workflows inside pictures: what a PNG's text chunks say about how it was made. */
import { parseExact } from '../json.ts'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.equals(bytes.subarray(0, SIGNATURE.length))

/** The saved workflow in a PNG, else its API prompt, else null. Throws SyntaxError when the chunk is no JSON. */
export async function workflowInPng(bytes: Uint8Array): Promise<unknown> {
  const { readText } = await import('../../nodes/image/encoding/png.ts')
  const chunks = readText(bytes)
  const text = chunks['workflow'] ?? chunks['prompt']
  return text === undefined ? null : parseExact(text)
}
