/** PNG files with text chunks: how a picture carries the workflow that made it. */
import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import type { Tensor } from '../../../diffusion/tensor.ts'

/** Signature, length, type, 13 bytes of IHDR and its checksum: text chunks go right behind. */
const AFTER_HEADER = 8 + 4 + 4 + 13 + 4

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

/** Adds one tEXt chunk per entry; values must be ASCII or Latin-1. */
function withText(png: Uint8Array, entries: Readonly<Record<string, string>>): Buffer {
  const chunks = Object.entries(entries).map(([key, value]) => chunk('tEXt', Buffer.from(`${key}\0${value}`, 'latin1')))
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength)
  return Buffer.concat([bytes.subarray(0, AFTER_HEADER), ...chunks, bytes.subarray(AFTER_HEADER)])
}

/** Picture `index` of an IMAGE [B, H, W, 3] in 0..1 as bytes [H, W, 3]: cut off, not rounded, and in float32, as ComfyUI has it. */
export function toBytes(image: Tensor, index: number): { rgb: Uint8Array; width: number; height: number } {
  const [, height = 0, width = 0, channels = 0] = image.shape
  const size = height * width * channels
  const rgb = new Uint8Array(size)
  for (let i = 0; i < size; i++)
    rgb[i] = Math.trunc(Math.fround(255 * Math.min(1, Math.max(0, image.data[index * size + i]!))))
  return { rgb, width, height }
}

/** Picture `index` of an IMAGE as a PNG with its text chunks. */
export async function encodePng(image: Tensor, index: number, text: Readonly<Record<string, string>>): Promise<Buffer> {
  const { rgb, width, height } = toBytes(image, index)
  const png = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 4 })
    .toBuffer()
  return withText(png, text)
}
