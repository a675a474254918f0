/** Weights as they lie on disk: one safetensors file, or the shards of a diffusers folder, by tensor name. */
import { open, readdir, readFile, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { sizeOf, tensor, type Tensor } from '../tensor.ts'
import { withScales } from './scales.ts'
import { DTYPE_BYTES, headerLength, parseHeader, SafetensorsError, type HeaderEntry } from './safetensors.ts'

/** A tensor, or some rows of one, inside a safetensors file. */
export interface StoredTensor extends HeaderEntry {
  readonly name: string
  /** Real path: symbolic links resolved, as ONNX Runtime demands of external data. */
  readonly file: string
  /** What the stored values are multiplied by: one float32, or one a row [rows]. Of float8 checkpoints. */
  readonly scale?: StoredTensor
  /** What is added to the stored values (LoRAs), in order. */
  readonly changes?: readonly WeightChange[]
}

/** factor * up down, as LoRAs have it: up [rows, r], down [r, the other extents]. */
export interface LowRankChange {
  readonly kind: 'low rank'
  readonly up: StoredTensor
  readonly down: StoredTensor
  readonly factor: number
}

/** factor * difference, of the weight's own shape. */
export interface FullChange {
  readonly kind: 'full'
  readonly difference: StoredTensor
  readonly factor: number
}

export type WeightChange = LowRankChange | FullChange

/** Every tensor of one model part. */
export interface Weights {
  /** The path as the user gave it, for messages. */
  readonly where: string
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** Opens one safetensors file; reads its header only. Throws SafetensorsError, or the file system's error. */
export async function openWeights(path: string): Promise<Weights> {
  const file = await realpath(path)
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const prefix = Buffer.alloc(8)
    const { bytesRead } = await handle.read(prefix, 0, 8, 0)
    const header = Buffer.alloc(headerLength(prefix.subarray(0, bytesRead), size, path))
    await handle.read(header, 0, header.length, 8)
    const entries = parseHeader(header, size, path)
    const tensors = new Map([...entries].map(([name, entry]) => [name, { ...entry, name, file }]))
    return { where: path, tensors: withScales(tensors) }
  } finally {
    await handle.close()
  }
}

/** File names that the `weight_map` of an index lists; they stay inside the index's own folder. */
async function shardNames(index: string): Promise<readonly string[]> {
  const parsed = JSON.parse(await readFile(index, 'utf8')) as { weight_map?: Record<string, unknown> }
  const names = [...new Set(Object.values(parsed.weight_map ?? {}))]
  const foreign = names.find((name) => typeof name !== 'string' || basename(name) !== name)
  if (names.length === 0 || foreign !== undefined)
    throw new SafetensorsError(
      `${index}: weight_map must map tensors to file names beside it, found ${String(foreign)}`,
    )
  return names as string[]
}

async function joinShards(index: string, folder: string): Promise<Weights> {
  const tensors = new Map<string, StoredTensor>()
  for (const name of await shardNames(index)) {
    const shard = await openWeights(join(folder, name))
    for (const [key, stored] of shard.tensors) {
      const other = tensors.get(key)
      if (other) throw new SafetensorsError(`${shard.where}: tensor '${key}' is in ${basename(other.file)} too`)
      tensors.set(key, stored)
    }
  }
  return { where: folder, tensors }
}

/**
 * Opens the weights of one part of a diffusers or transformers folder: `<base>.safetensors`, or the shards that
 * `<base>.safetensors.index.json` names, with base `diffusion_pytorch_model` or `model`; variants such as `.fp16` are taken
 * when there is no plain file.
 */
export async function openWeightsFolder(folder: string): Promise<Weights> {
  const names = (await readdir(folder)).sort((a, b) => a.length - b.length || a.localeCompare(b))
  const index = names.find((name) => /^(diffusion_pytorch_)?model.*\.safetensors\.index(\.[\w]+)?\.json$/.test(name))
  const whole = names.find((name) => /^(diffusion_pytorch_)?model(\.[\w]+)?\.safetensors$/.test(name))
  if (whole) return openWeights(join(folder, whole))
  if (index) return joinShards(join(folder, index), folder)
  throw new SafetensorsError(
    `${folder}: no diffusion_pytorch_model.safetensors, model.safetensors or index of shards; it has ${names.join(', ') || 'nothing'}`,
  )
}

function rowsOfChange(change: WeightChange, from: number, to: number): WeightChange {
  return change.kind === 'full'
    ? { ...change, difference: rowsOf(change.difference, from, to) }
    : { ...change, up: rowsOf(change.up, from, to) }
}

/** Rows [from, to) along the first axis, still inside the file: nothing is read or copied. Scales and changes are cut alike. */
export function rowsOf(stored: StoredTensor, from: number, to: number): StoredTensor {
  const count = stored.shape[0] ?? 0
  if (from < 0 || to > count || from > to)
    throw new RangeError(`${stored.name}: rows ${from} to ${to} of a tensor with ${count}`)
  if (from === 0 && to === count) return stored
  const stride = stored.length / count
  const { scale, changes } = stored
  return {
    ...stored,
    shape: [to - from, ...stored.shape.slice(1)],
    offset: stored.offset + from * stride,
    length: (to - from) * stride,
    ...(scale && sizeOf(scale.shape) > 1 ? { scale: rowsOf(scale, from, to) } : {}),
    ...(changes ? { changes: changes.map((change) => rowsOfChange(change, from, to)) } : {}),
  }
}

/** Bytes that all tensors would take as float32. */
export const float32Bytes = (weights: Weights): number =>
  [...weights.tensors.values()].reduce((sum, { dtype, length }) => sum + (4 * length) / DTYPE_BYTES[dtype], 0)

/** The bytes of a tensor as they lie in the file; for small ones, not for weights. Throws when the file is cut short. */
export async function readBytes(stored: StoredTensor): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await open(stored.file, 'r')
  try {
    const bytes = new Uint8Array(stored.length)
    const { bytesRead } = await handle.read(bytes, 0, stored.length, stored.offset)
    if (bytesRead !== stored.length) throw new SafetensorsError(`${stored.file}: tensor '${stored.name}' is cut short`)
    return bytes
  } finally {
    await handle.close()
  }
}

/** Reads a float32 or int64 tensor into memory (integers become floats); for small reference data, not for weights. */
export async function readTensor(stored: StoredTensor): Promise<Tensor> {
  const bytes = await readBytes(stored)
  if (stored.dtype === 'F32') return tensor(new Float32Array(bytes.buffer), stored.shape)
  if (stored.dtype !== 'I64')
    throw new SafetensorsError(`${stored.file}: tensor '${stored.name}' is ${stored.dtype}, expected F32 or I64`)
  const whole = new BigInt64Array(bytes.buffer, 0, sizeOf(stored.shape))
  return tensor(Float32Array.from(whole, Number), stored.shape)
}

/** Reads every tensor of a small file by name. */
export async function readTensors(path: string): Promise<Readonly<Record<string, Tensor>>> {
  const { tensors } = await openWeights(path)
  const read = await Promise.all([...tensors].map(async ([name, stored]) => [name, await readTensor(stored)] as const))
  return Object.fromEntries(read)
}
