/** Animated WebP files, with the workflow in their EXIF part where ComfyUI and its editor look for it. */
import sharp from 'sharp'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { frameBytes } from './frames.ts'

export interface WebpOptions {
  /** Frames a second. */
  readonly rate: number
  readonly lossless: boolean
  /** 0 to 100; of lossless files the effort. */
  readonly quality: number
  /** 0 fastest, 6 smallest. */
  readonly effort: number
}

/** EXIF tags that hold texts: ComfyUI writes the prompt into Model, and counts down from Make for the rest. */
const [MODEL, MAKE] = [0x0110, 0x010f]
const ASCII = 2
/** Bytes of an entry of an EXIF directory. */
const ENTRY = 12

/** A little-endian TIFF block with one ASCII entry a text. */
function exif(texts: Readonly<Record<string, string>>): Buffer {
  const others = Object.keys(texts).filter((key) => key !== 'prompt')
  const tagOf = (key: string): number => (key === 'prompt' ? MODEL : MAKE - others.indexOf(key))
  const entries = Object.entries(texts)
    .map(([key, text]) => ({ tag: tagOf(key), bytes: Buffer.from(`${key}:${text}\0`, 'latin1') }))
    .sort((a, b) => a.tag - b.tag)
  const head = Buffer.alloc(8 + 2 + ENTRY * entries.length + 4)
  head.write('II*\0', 0, 'latin1')
  head.writeUInt32LE(8, 4)
  head.writeUInt16LE(entries.length, 8)
  let offset = head.length
  entries.forEach(({ tag, bytes }, i) => {
    const at = 10 + ENTRY * i
    head.writeUInt16LE(tag, at)
    head.writeUInt16LE(ASCII, at + 2)
    head.writeUInt32LE(bytes.length, at + 4)
    // A text of up to four bytes stands in the entry itself; none here is so short.
    head.writeUInt32LE(offset, at + 8)
    offset += bytes.length
  })
  return Buffer.concat([head, ...entries.map(({ bytes }) => bytes)])
}

/** Parts of a RIFF file by name; empty for anything else. */
function* parts(file: Buffer): Generator<{ readonly name: string; readonly data: Buffer }> {
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WEBP') return
  for (let at = 12; at + 8 <= file.length;) {
    const length = file.readUInt32LE(at + 4)
    yield { name: file.toString('latin1', at, at + 4), data: file.subarray(at + 8, at + 8 + length) }
    at += 8 + length + (length % 2)
  }
}

function part(name: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.write(name, 0, 'latin1')
  head.writeUInt32LE(data.length, 4)
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)])
}

/** Of the flags in the extended header: that there is an EXIF part, that there is transparency. */
const [HAS_EXIF, HAS_ALPHA] = [0x08, 0x10]

/** The extended header of a file that came without one. */
function extendedHeader(width: number, height: number, hasAlpha: boolean): Buffer {
  const header = Buffer.alloc(10)
  header.writeUInt8(hasAlpha ? HAS_ALPHA : 0, 0)
  header.writeUIntLE(width - 1, 4, 3)
  header.writeUIntLE(height - 1, 7, 3)
  return header
}

/** Adds texts to a WebP file [height, width] (RFC 9649, section 2.7). */
function withTexts(file: Buffer, texts: Readonly<Record<string, string>>, height: number, width: number): Buffer {
  if (Object.keys(texts).length === 0) return file
  const all = [...parts(file)].filter(({ name }) => name !== 'EXIF')
  const rest = all.filter(({ name }) => name !== 'VP8X')
  const header = Buffer.from(all.find(({ name }) => name === 'VP8X')?.data ?? extendedHeader(width, height, false))
  header.writeUInt8(header.readUInt8(0) | HAS_EXIF, 0)
  const body = [part('VP8X', header), ...rest.map(({ name, data }) => part(name, data)), part('EXIF', exif(texts))]
  const riff = Buffer.alloc(12)
  riff.write('RIFF', 0, 'latin1')
  riff.writeUInt32LE(4 + body.reduce((sum, { length }) => sum + length, 0), 4)
  riff.write('WEBP', 8, 'latin1')
  return Buffer.concat([riff, ...body])
}

/** Frames [F, H, W, 3] in 0..1 as one file that plays again and again. */
export async function encodeWebp(
  frames: Tensor,
  texts: Readonly<Record<string, string>>,
  o: WebpOptions,
): Promise<Buffer> {
  const [count = 0, height = 0, width = 0] = frames.shape
  const raw = { width, height: height * count, channels: 3 as const, pageHeight: height }
  const file = await sharp(frameBytes(frames), { raw, limitInputPixels: false })
    .webp({
      lossless: o.lossless,
      quality: o.quality,
      effort: o.effort,
      delay: new Array<number>(count).fill(Math.trunc(1000 / o.rate)),
      loop: 0,
    })
    .toBuffer()
  return withTexts(file, texts, height, width)
}
