/** Writes small safetensors files for tests. */

/** float32 tensors by name, in the order given. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, { shape: readonly number[]; data: readonly number[] }>>,
): Uint8Array {
  let offset = 0
  const header: Record<string, unknown> = {}
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + 4 * data.length] }
    offset += 4 * data.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const values = Float32Array.from(Object.values(tensors).flatMap(({ data }) => data))
  return Buffer.concat([length, json, Buffer.from(values.buffer)])
}
