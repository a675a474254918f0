/** Texts in PNG files: tEXt, zTXt, iTXt (PNG specification, section 11.3.3), and ComfyUI's `comf` of animated ones. */
import { decoded, holds, latin1, MetadataError, viewOf, type Texts } from './texts.ts'

const SIGNATURE = '\x89PNG\r\n\x1a\n'
/** Length, type and checksum around a chunk's data. */
const AROUND = 12

export const isPng = (bytes: Uint8Array): boolean => holds(bytes, 0, SIGNATURE)

/** Unpacks zlib data; null when it is damaged. Throws MetadataError as soon as it is more than `texts` may hold. */
async function inflate(packed: Uint8Array, texts: Texts): Promise<Uint8Array | null> {
  const copy = new Uint8Array(packed)
  const reader = new Blob([copy]).stream().pipeThrough(new DecompressionStream('deflate')).getReader()
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      size += next.value.length
      if (size > texts.left) texts.spend(size)
      parts.push(next.value)
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined)
    if (error instanceof MetadataError) throw error
    return null
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** The text of an iTXt chunk behind its keyword: flag, method, language, translated keyword, text. */
async function international(body: Uint8Array, texts: Texts): Promise<Uint8Array | null> {
  const language = body.indexOf(0, 2)
  const translated = language < 0 ? -1 : body.indexOf(0, language + 1)
  if (translated < 0) return null
  const text = body.subarray(translated + 1)
  return body[0] === 1 ? inflate(text, texts) : text
}

async function readChunk(type: string, data: Uint8Array, texts: Texts): Promise<void> {
  const end = data.indexOf(0)
  if (end < 1) return
  const rest = data.subarray(end + 1)
  const text =
    type === 'zTXt' ? await inflate(rest.subarray(1), texts) : type === 'iTXt' ? await international(rest, texts) : rest
  if (text) texts.add(decoded(data.subarray(0, end)), text)
}

/** Reads chunk by chunk until the end or the first that is cut short; `comf` stands behind the pixels. */
export async function readPng(bytes: Uint8Array, texts: Texts): Promise<void> {
  const view = viewOf(bytes)
  for (let at = SIGNATURE.length; at + AROUND <= bytes.length;) {
    const length = view.getUint32(at)
    const type = latin1(bytes.subarray(at + 4, at + 8))
    if (type === 'IEND' || at + AROUND + length > bytes.length) return
    if (['tEXt', 'zTXt', 'iTXt', 'comf'].includes(type))
      await readChunk(type, bytes.subarray(at + 8, at + 8 + length), texts)
    at += AROUND + length
  }
}
