/** Texts in MP4 and MOV files: iTunes' list, QuickTime's keys (both as ffmpeg writes them), and QuickTime's user data. */
import { decoded, holds, latin1, viewOf, type Texts } from './texts.ts'

/** What stands between the file and its texts (ISO/IEC 14496-12; QuickTime File Format, metadata). */
const CONTAINERS = new Set(['moov', 'udta', 'meta'])
/** iTunes' names for what ffmpeg calls by a word. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['\xa9cmt', 'comment'],
  ['\xa9des', 'description'],
  ['desc', 'description'],
  ['\xa9nam', 'title'],
])
const UTF16 = 2

export const isMp4 = (bytes: Uint8Array): boolean => holds(bytes, 4, 'ftyp') || holds(bytes, 4, 'moov')

interface Box {
  readonly type: string
  /** The type as a number, which is what names an entry of a list with keys. */
  readonly code: number
  readonly body: Uint8Array
}

/** The boxes in `bytes`, up to the first whose size makes no sense. A size of 0 means up to the end, 1 a size of 64 bits. */
function* boxes(bytes: Uint8Array): Generator<Box> {
  const view = viewOf(bytes)
  for (let at = 0; at + 8 <= bytes.length;) {
    const short = view.getUint32(at)
    const long = short === 1
    if (long && at + 16 > bytes.length) return
    const size = long ? Number(view.getBigUint64(at + 8)) : short === 0 ? bytes.length - at : short
    const head = long ? 16 : 8
    if (size < head || at + size > bytes.length) return
    yield {
      type: latin1(bytes.subarray(at + 4, at + 8)),
      code: view.getUint32(at + 4),
      body: bytes.subarray(at + head, at + size),
    }
    at += size
  }
}

/** `meta` has version and flags in MP4, and begins with its first box at once in QuickTime. */
const inside = ({ type, body }: Box): Uint8Array =>
  type === 'meta' && !holds(body, 4, 'hdlr') ? body.subarray(4) : body

/** Names of QuickTime's list of keys, the first of which the list of values calls 1. */
function keysOf(body: Uint8Array): string[] {
  const view = viewOf(body)
  const names: string[] = []
  for (let at = 8; at + 8 <= body.length;) {
    const size = view.getUint32(at)
    if (size < 8 || at + size > body.length) break
    names.push(decoded(body.subarray(at + 8, at + size)))
    at += size
  }
  return names
}

/** The text of a `data` box, behind its type and locale. */
function textOf(data: Uint8Array | undefined): Uint8Array | null {
  if (!data || data.length < 8) return null
  const text = data.subarray(8)
  return data[3] === UTF16 ? new TextEncoder().encode(new TextDecoder('utf-16be').decode(text)) : text
}

/** Names an entry: by its number among the keys, by its own `name` (`----`), or by what its four letters stand for. */
function nameOf({ type, code }: Box, parts: ReadonlyMap<string, Uint8Array>, keys: readonly string[]): string {
  if (type === '----') return decoded((parts.get('name') ?? new Uint8Array()).subarray(4))
  return keys[code - 1] ?? WORDS.get(type) ?? type
}

function readList(body: Uint8Array, keys: readonly string[], texts: Texts): void {
  for (const entry of boxes(body)) {
    const parts = new Map([...boxes(entry.body)].map((part) => [part.type, part.body]))
    const text = textOf(parts.get('data'))
    const name = text ? nameOf(entry, parts, keys) : ''
    if (text && name !== '') texts.add(name, text)
  }
}

/** QuickTime's own user data: length, language, text. */
function readUserData({ type, body }: Box, texts: Texts): void {
  const word = WORDS.get(type)
  if (word === undefined || !type.startsWith('\xa9') || body.length < 4) return
  const length = viewOf(body).getUint16(0)
  if (4 + length <= body.length) texts.add(word, body.subarray(4, 4 + length))
}

/** Boxes nest as deep as moov/udta/meta/ilst and no deeper, whatever the file says. */
export function readMp4(bytes: Uint8Array, texts: Texts, depth = 0): void {
  let keys: readonly string[] = []
  for (const box of boxes(bytes)) {
    if (CONTAINERS.has(box.type) && depth < 3) readMp4(inside(box), texts, depth + 1)
    else if (box.type === 'keys') keys = keysOf(box.body)
    else if (box.type === 'ilst') readList(box.body, keys, texts)
    else readUserData(box, texts)
  }
}
