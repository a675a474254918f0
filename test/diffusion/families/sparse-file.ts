/** Writes safetensors files of published sizes for tests: bfloat16 values that repeat, so that hundreds of megabytes take no time. */
import { open } from 'node:fs/promises'
import { sizeOf } from '../../../diffusion/tensor.ts'
import type { Shapes } from './synthetic.ts'

/** Values of the pattern: 2 MiB of bfloat16, small and of both signs. */
const PATTERN = 2 ** 20

/** bfloat16 values of about -0.02 to 0.02. */
function pattern(): Buffer {
  const floats = Float32Array.from({ length: PATTERN }, (_, i) => 0.02 * Math.sin(i * 12.9898 + i * i * 1e-4))
  const halves = new Uint16Array(floats.buffer)
  return Buffer.from(Uint16Array.from({ length: PATTERN }, (_, i) => halves[2 * i + 1]!).buffer)
}

/** A file of these tensors; those that `isBlank` names stay zeros, which take no room on the disk. */
export async function writeSparse(
  path: string,
  shapes: Shapes,
  isBlank: (name: string) => boolean = () => false,
): Promise<void> {
  const bytes = pattern()
  let offset = 0
  const entries = [...shapes].map(([name, shape]) => {
    const [from, length] = [offset, 2 * sizeOf(shape)]
    offset += length
    return { name, shape, from, length }
  })
  const header = Object.fromEntries(
    entries.map(({ name, shape, from, length }) => [
      name,
      { dtype: 'BF16', shape, data_offsets: [from, from + length] },
    ]),
  )
  const json = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(BigInt(json.length))
  const file = await open(path, 'w')
  try {
    await file.write(Buffer.concat([start, json]), 0, 8 + json.length, 0)
    await file.truncate(8 + json.length + offset)
    for (const { from, length } of entries.filter(({ name }) => !isBlank(name)))
      for (let done = 0; done < length; done += bytes.length)
        await file.write(bytes, 0, Math.min(bytes.length, length - done), 8 + json.length + from + done)
  } finally {
    await file.close()
  }
}
