/** Texts in WebM and Matroska files: the tags of a segment (RFC 9559, section 5.1.8), in EBML (RFC 8794). */
import { decoded, viewOf, type Texts } from './texts.ts'

const HEADER = 0x1a45dfa3
const [SEGMENT, CLUSTER] = [0x18538067, 0x1f43b675]
const [TAGS, TAG, SIMPLE_TAG] = [0x1254c367, 0x7373, 0x67c8]
const [TAG_NAME, TAG_STRING] = [0x45a3, 0x4487]

export const isWebm = (bytes: Uint8Array): boolean => bytes.length >= 4 && viewOf(bytes).getUint32(0) === HEADER

/** A number of variable length: as many bytes as its first has leading zeros, and one; null where it is cut short. */
function numberAt(bytes: Uint8Array, at: number, most: number): { length: number; raw: number; value: number } | null {
  const length = Math.clz32(bytes[at] ?? 0) - 23
  if (length > most || at + length > bytes.length) return null
  const first = bytes[at] ?? 0
  const join = (start: number): number =>
    bytes.subarray(at + 1, at + length).reduce((number, byte) => number * 256 + byte, start)
  // The marker is taken off before the bytes are joined: with it, eight of them are more than a double holds.
  return { length, raw: join(first), value: join(first & (0xff >> length)) }
}

/** Of a size: all bits set, which means up to where the parent ends. */
const isUnknown = (size: { readonly length: number; readonly value: number }): boolean =>
  size.value === 2 ** (7 * size.length) - 1

/**
 * Reads element by element. What may hold tags is entered, all else is stepped over, so that no element is met twice, however the
 * file nests; clusters of unknown size, as live recordings have them, are entered to find their end.
 */
export function readWebm(bytes: Uint8Array, texts: Texts): void {
  let name = ''
  for (let at = 0; at < bytes.length;) {
    const id = numberAt(bytes, at, 4)
    const size = id && numberAt(bytes, at + id.length, 8)
    if (!id || !size) return
    const start = at + id.length + size.length
    const entered = [SEGMENT, TAGS, TAG, SIMPLE_TAG].includes(id.raw) || (id.raw === CLUSTER && isUnknown(size))
    if (!entered && start + size.value > bytes.length) return
    const body = bytes.subarray(start, start + size.value)
    // Matroska's names are capital letters by convention, and ffmpeg makes them so.
    if (id.raw === TAG_NAME) name = decoded(body).toLowerCase()
    else if (id.raw === TAG_STRING && name !== '') texts.add(name, unpadded(body))
    at = entered ? start : start + size.value
  }
}

/** Texts may be filled up with zeros (RFC 8794, section 7.4). */
function unpadded(bytes: Uint8Array): Uint8Array {
  const zero = bytes.indexOf(0)
  return zero < 0 ? bytes : bytes.subarray(0, zero)
}
