/** Small files of every kind that carries texts, built by hand from the formats' specifications. */
import { crc32, deflateSync } from 'node:zlib'

export const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

// --- PNG -------------------------------------------------------------------

export const chunk = (type: string, data: Buffer): Buffer =>
  Buffer.concat([u32(data.length), latin1(type), data, u32(crc32(Buffer.concat([latin1(type), data])))])
export const png = (...chunks: readonly Buffer[]): Buffer =>
  Buffer.concat([
    latin1('\x89PNG\r\n\x1a\n'),
    chunk('IHDR', Buffer.alloc(13)),
    ...chunks,
    chunk('IEND', Buffer.alloc(0)),
  ])
export const plainText = (name: string, text: string): Buffer => chunk('tEXt', Buffer.from(`${name}\0${text}`))
export const packedText = (name: string, text: string | Buffer): Buffer =>
  chunk('zTXt', Buffer.concat([latin1(`${name}\0\0`), deflateSync(text)]))
export const internationalText = (name: string, text: string, packed: boolean): Buffer =>
  chunk(
    'iTXt',
    Buffer.concat([
      latin1(`${name}\0${packed ? '\x01' : '\0'}\0en\0name\0`),
      packed ? deflateSync(text) : Buffer.from(text),
    ]),
  )

// --- WebP ------------------------------------------------------------------

/** An EXIF block as Pillow makes it, big-endian. */
export function exif(texts: readonly (readonly [tag: number, text: string])[]): Buffer {
  const head = Buffer.alloc(8 + 2 + 12 * texts.length + 4)
  head.write('MM\0*', 0, 'latin1')
  head.writeUInt32BE(8, 4)
  head.writeUInt16BE(texts.length, 8)
  let offset = head.length
  texts.forEach(([tag, text], i) => {
    head.writeUInt16BE(tag, 10 + 12 * i)
    head.writeUInt16BE(2, 12 + 12 * i)
    head.writeUInt32BE(text.length, 14 + 12 * i)
    // A text of up to four bytes stands in the entry itself.
    if (text.length <= 4) head.write(text, 18 + 12 * i, 'latin1')
    else head.writeUInt32BE(offset, 18 + 12 * i)
    offset += text.length
  })
  return Buffer.concat([head, ...texts.map(([, text]) => latin1(text))])
}
export function webp(block: Buffer, prefix = ''): Buffer {
  const data = Buffer.concat([latin1(prefix), block])
  const size = Buffer.alloc(4)
  size.writeUInt32LE(data.length)
  return Buffer.concat([latin1('RIFF\0\0\0\0WEBPEXIF'), size, data, Buffer.alloc(data.length % 2)])
}

// --- MP4 -------------------------------------------------------------------

export const box = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([u32(8 + body.length), latin1(type), body])
}
const ftyp = box('ftyp', latin1('isom'), u32(512))
const data = (text: string | Buffer, type = 1): Buffer => box('data', u32(type), u32(0), Buffer.from(text))
const handler = box('hdlr', u32(0), u32(0), latin1('mdta'), Buffer.alloc(13))
/** A number as four letters: how the list names the entry of a key. */
const letters = (value: number): string => u32(value).toString('latin1')

/** Names in `keys`, texts by number: `meta` without version directly in `moov`, as QuickTime has it. */
export function movWithKeys(texts: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([ftyp, box('mdat', Buffer.alloc(40)), box('moov', box('meta', keyed(texts)))])
}
/** The same as ffmpeg writes it into MP4 with -movflags use_metadata_tags. */
export function mp4WithKeys(texts: Readonly<Record<string, string>>): Buffer {
  const meta = box('udta', box('meta', u32(0), keyed(texts)))
  return Buffer.concat([ftyp, box('mdat', Buffer.alloc(40)), box('moov', box('mvhd', Buffer.alloc(100)), meta)])
}
function keyed(texts: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(texts).map((name) => box('mdta', Buffer.from(name)))
  const keys = box('keys', u32(0), u32(names.length), ...names)
  const list = Object.values(texts).map((text, i) => box(letters(i + 1), data(text)))
  return Buffer.concat([handler, keys, box('ilst', ...list)])
}
/** As iTunes and ffmpeg without that flag write it: four letters each, or `----` with a name. */
export function mp4WithList(entries: readonly Buffer[]): Buffer {
  const meta = box('meta', u32(0), handler, box('ilst', ...entries))
  return Buffer.concat([ftyp, box('moov', box('udta', meta))])
}
export const named = (type: string, text: string | Buffer, kind = 1): Buffer => box(type, data(text, kind))
export const freeForm = (name: string, text: string): Buffer =>
  box('----', box('mean', u32(0), latin1('com.apple.iTunes')), box('name', u32(0), latin1(name)), data(text))
/** QuickTime's user data: a box per text, with length and language. */
export function movWithUserData(type: string, text: string): Buffer {
  const bytes = Buffer.from(text)
  const head = Buffer.alloc(4)
  head.writeUInt16BE(bytes.length)
  return Buffer.concat([ftyp, box('moov', box('udta', box(type, head, bytes)))])
}
/** A box whose size stands in 64 bits. */
export const longBox = (type: string, body: Buffer): Buffer =>
  Buffer.concat([u32(1), latin1(type), u32(0), u32(16 + body.length), body])

// --- WebM ------------------------------------------------------------------

/** An element with its size in `width` bytes; `unknown` writes the size that means up to the parent's end. */
export function element(id: number, body: Buffer, width = 4, unknown = false): Buffer {
  const name = Buffer.from(id.toString(16), 'hex')
  const size = Buffer.alloc(width)
  if (unknown) size.fill(0xff)
  else size.writeUIntBE(body.length, Math.max(0, width - 6), Math.min(6, width))
  size[0] = unknown ? 0xff >> (width - 1) : (size[0] ?? 0) | (0x80 >> (width - 1))
  return Buffer.concat([name, size, body])
}
const simpleTag = (name: string, text: string): Buffer =>
  element(0x67c8, Buffer.concat([element(0x45a3, Buffer.from(name), 1), element(0x4487, Buffer.from(text))]))
export const tags = (texts: Readonly<Record<string, string>>): Buffer =>
  element(
    0x1254c367,
    element(
      0x7373,
      Buffer.concat([
        element(0x63c0, Buffer.alloc(0), 1),
        ...Object.entries(texts).map(([name, text]) => simpleTag(name, text)),
      ]),
    ),
  )
/** Header, segment with a cluster, tags behind it; `live` leaves the sizes of segment and cluster open. */
export function webm(texts: Readonly<Record<string, string>>, live = false): Buffer {
  const cluster = element(
    0x1f43b675,
    Buffer.concat([element(0xe7, Buffer.alloc(2), 1), element(0xa3, Buffer.alloc(300))]),
    8,
    live,
  )
  const header = element(0x1a45dfa3, element(0x4282, Buffer.from('webm'), 1), 1)
  return Buffer.concat([
    header,
    element(0x18538067, Buffer.concat([element(0xec, Buffer.alloc(70), 8), cluster, tags(texts)]), 8, live),
  ])
}
