/** Writes small safetensors files for tests. */

/** A tensor as it goes into a file. */
export interface RawTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** Tensors by name, in the order given. */
export function encodeRaw(tensors: Readonly<Record<string, RawTensor>>): Uint8Array {
  let offset = 0
  const header: Record<string, unknown> = {}
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...Object.values(tensors).map(({ bytes }) => bytes)])
}

/** float32 tensors by name. */
export const encodeSafetensors = (
  tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>,
): Uint8Array =>
  encodeRaw(
    Object.fromEntries(
      Object.entries(tensors).map(([name, { shape, data }]) => [
        name,
        { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(data).buffer) },
      ]),
    ),
  )
