/** Workflows inside pictures: what a PNG's text chunks and a WebP's EXIF part say about how it was made. */
import { parseExact } from '../json.ts'

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

const isPng = (bytes: Uint8Array): boolean => PNG.equals(bytes.subarray(0, PNG.length))
const isWebp = (bytes: Uint8Array): boolean =>
  /^RIFF[^]{4}WEBP$/.test(Buffer.from(bytes.subarray(0, 12)).toString('latin1'))

/** Whether the bytes are of a kind of picture that may carry a workflow. */
export const isPicture = (bytes: Uint8Array): boolean => isPng(bytes) || isWebp(bytes)

/** The saved workflow in a picture, else its API prompt, else null. Throws SyntaxError when the text is no JSON. */
export async function workflowInPicture(bytes: Uint8Array): Promise<unknown> {
  const texts: Readonly<Record<string, string>> = isPng(bytes)
    ? (await import('../../nodes/image/encoding/png.ts')).readText(bytes)
    : (await import('../../nodes/video/encoding/webp.ts')).readWebpTexts(bytes)
  const text = texts['workflow'] ?? texts['prompt']
  return text === undefined ? null : parseExact(text)
}
