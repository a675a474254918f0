/** The texts in the EXIF part of a WebP file, where ComfyUI puts prompt and workflow: `name:text` in ASCII tags. */

const ASCII = 2
const ENTRY = 12
const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)

/** The data of the EXIF part, without the prefix of JPEG files; null when `bytes` are no WebP or have none. */
function exifPart(bytes: Uint8Array): Uint8Array | null {
  if (latin1(bytes.subarray(0, 4)) !== 'RIFF' || latin1(bytes.subarray(8, 12)) !== 'WEBP') return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true)
    const data = bytes.subarray(at + 8, at + 8 + length)
    if (latin1(bytes.subarray(at, at + 4)) === 'EXIF')
      return latin1(data.subarray(0, 4)) === 'Exif' ? data.subarray(6) : data
    at += 8 + length + (length % 2)
  }
  return null
}

/** Texts by name; empty when there are none. Either byte order; entries that point outside of the part are left out. */
export function webpTexts(bytes: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>()
  const part = exifPart(bytes)
  const order = latin1(part?.subarray(0, 2) ?? new Uint8Array())
  if (!part || part.length < 10 || (order !== 'II' && order !== 'MM')) return texts
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength)
  const little = order === 'II'
  const start = view.getUint32(4, little)
  for (let i = 0, at = start + 2; at + ENTRY <= part.length && i < view.getUint16(start, little); i++, at += ENTRY) {
    const [length, offset] = [view.getUint32(at + 4, little), view.getUint32(at + 8, little)]
    if (view.getUint16(at + 2, little) !== ASCII || offset + length > part.length) continue
    const text = latin1(part.subarray(offset, offset + length)).replace(/\0+$/, '')
    const colon = text.indexOf(':')
    if (colon > 0) texts.set(text.slice(0, colon), text.slice(colon + 1))
  }
  return texts
}
