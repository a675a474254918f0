/** Texts in the EXIF part of WebP files (RFC 9649; EXIF 2.3), where ComfyUI puts `name:text` into ASCII tags. */
import { decoded, holds, viewOf, type Texts } from './texts.ts'

const ASCII = 2
/** Bytes of an entry of an EXIF directory. */
const ENTRY = 12
/** A text of up to so many bytes stands in the entry itself. */
const INLINE = 4

export const isWebp = (bytes: Uint8Array): boolean => holds(bytes, 0, 'RIFF') && holds(bytes, 8, 'WEBP')

/** The data of the EXIF part, without the prefix that JPEG files have; null when there is none. */
function exifOf(bytes: Uint8Array): Uint8Array | null {
  const view = viewOf(bytes)
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true)
    const data = bytes.subarray(at + 8, at + 8 + length)
    if (holds(bytes, at, 'EXIF')) return holds(data, 0, 'Exif') ? data.subarray(6) : data
    at += 8 + length + (length % 2)
  }
  return null
}

/** Either byte order: Pillow, and so ComfyUI, writes the big one. Entries that point outside of the part are left out. */
export function readWebp(bytes: Uint8Array, texts: Texts): void {
  const part = exifOf(bytes)
  if (!part || part.length < 10 || !(holds(part, 0, 'II') || holds(part, 0, 'MM'))) return
  const view = viewOf(part)
  const little = holds(part, 0, 'II')
  const start = view.getUint32(4, little)
  if (start + 2 > part.length) return
  const count = view.getUint16(start, little)
  for (let i = 0, at = start + 2; i < count && at + ENTRY <= part.length; i++, at += ENTRY) {
    const length = view.getUint32(at + 4, little)
    const from = length <= INLINE ? at + 8 : view.getUint32(at + 8, little)
    if (view.getUint16(at + 2, little) !== ASCII || from + length > part.length) continue
    readEntry(part.subarray(from, from + length), texts)
  }
}

function readEntry(bytes: Uint8Array, texts: Texts): void {
  const colon = bytes.indexOf(58)
  if (colon < 1) return
  const zero = bytes.indexOf(0, colon)
  texts.add(decoded(bytes.subarray(0, colon)), bytes.subarray(colon + 1, zero < 0 ? bytes.length : zero))
}
