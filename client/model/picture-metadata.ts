/** The texts inside a PNG file: tEXt, zTXt and iTXt chunks by keyword. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
/** Longest text that is unpacked: a workflow is a few hundred kB, a bomb is not. */
const MAX_TEXT = 32 * 1024 * 1024

const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
const utf8 = (bytes: Uint8Array): string => new TextDecoder('utf-8').decode(bytes)

/** zlib data to bytes; throws when it is damaged or grows beyond MAX_TEXT. */
async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('deflate'))
  const reader = (stream as ReadableStream<Uint8Array>).getReader()
  const parts: Uint8Array[] = []
  let size = 0
  for (let { done, value } = await reader.read(); !done && value; { done, value } = await reader.read()) {
    size += value.length
    if (size > MAX_TEXT) throw new Error('the text in this picture unpacks to more than 32 MB')
    parts.push(value)
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Keyword and text of one chunk. */
async function readText(kind: string, body: Uint8Array): Promise<[string, string] | null> {
  const end = body.indexOf(0)
  if (end < 1) return null
  const keyword = latin1(body.subarray(0, end))
  if (kind === 'tEXt') return [keyword, latin1(body.subarray(end + 1))]
  if (kind === 'zTXt') return [keyword, latin1(await inflate(body.subarray(end + 2)))]
  const packed = body[end + 1] === 1
  const language = body.indexOf(0, end + 3)
  const translated = language < 0 ? -1 : body.indexOf(0, language + 1)
  if (translated < 0) return null
  const rest = body.subarray(translated + 1)
  return [keyword, utf8(packed ? await inflate(rest) : rest)]
}

/** The texts of a PNG by keyword; empty when `bytes` are no PNG. Damaged chunks end the reading. */
export async function pngTexts(bytes: Uint8Array): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) return texts
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 8
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at)
    const kind = latin1(bytes.subarray(at + 4, at + 8))
    if (kind === 'IEND' || at + 12 + length > bytes.length) break
    if (kind === 'tEXt' || kind === 'zTXt' || kind === 'iTXt') {
      const entry = await readText(kind, bytes.subarray(at + 8, at + 8 + length))
      if (entry) texts.set(...entry)
    }
    at += 12 + length
  }
  return texts
}
