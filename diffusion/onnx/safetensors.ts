/** The header of a safetensors file, read strictly: nothing it says is believed before it is checked against the file's size. */

/** Bytes per value of every dtype of the format. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const
export type Dtype = keyof typeof DTYPE_BYTES

/** Where one tensor lies in its file. */
export interface HeaderEntry {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** First byte, counted from the start of the file. */
  readonly offset: number
  /** Number of bytes: product of the shape times the dtype's size. */
  readonly length: number
}

/** Longest header accepted, in bytes; a 12-billion-parameter checkpoint has 0.2 MB. */
const HEADER_LIMIT = 16 * 1024 * 1024
/** Most tensors accepted in one file. */
export const TENSOR_LIMIT = 20_000
const FAULTS_SHOWN = 5

/** A file that is not a whole, well-formed safetensors file; the message names the file and the tensors. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

/** Length of the header that the first 8 bytes announce; throws when the file cannot hold it. */
export function headerLength(prefix: Uint8Array, fileSize: number, where: string): number {
  if (prefix.length < 8 || fileSize < 10)
    throw new SafetensorsError(`${where}: ${fileSize} bytes are too few for a safetensors file; is the download whole?`)
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(HEADER_LIMIT))
    throw new SafetensorsError(
      `${where}: a header of ${length} bytes is announced, at most ${HEADER_LIMIT} are accepted; this is not a safetensors file`,
    )
  if (Number(length) + 8 > fileSize)
    throw new SafetensorsError(
      `${where}: the header of ${length} bytes does not fit into the file of ${fileSize} bytes; is the download whole?`,
    )
  return Number(length)
}

/** Index just past the string literal that opens at `start` of a valid JSON text. */
function stringEnd(json: string, start: number): number {
  let i = start + 1
  while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1
  return i + 1
}

/** The first key that one of the objects of a valid JSON text has twice, or null: `JSON.parse` keeps the last in silence. */
function duplicateKey(json: string): string | null {
  const scopes: Set<string>[] = []
  for (let i = 0; i < json.length; i++) {
    if (json[i] === '{') scopes.push(new Set())
    else if (json[i] === '}') scopes.pop()
    else if (json[i] === '"') {
      const end = stringEnd(json, i)
      let next = end
      while (/\s/.test(json[next] ?? '')) next++
      if (json[next] === ':') {
        const key = JSON.parse(json.slice(i, end)) as string
        if (scopes.at(-1)?.has(key)) return key
        scopes.at(-1)?.add(key)
      }
      i = end - 1
    }
  }
  return null
}

function parseJson(header: Uint8Array, where: string): Record<string, unknown> {
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(header)
    value = JSON.parse(text)
  } catch (error) {
    throw new SafetensorsError(`${where}: the header is not JSON (${(error as Error).message})`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SafetensorsError(`${where}: the header is not a JSON object`)
  const twice = duplicateKey(text)
  if (twice !== null) throw new SafetensorsError(`${where}: the header has the key '${twice}' twice`)
  return value as Record<string, unknown>
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const OUTSIDE = 'lie outside'

/** One entry, or the sentence that says what is wrong with it. `base` is where the tensors begin, `end` the file's size. */
function parseEntry(raw: unknown, base: number, end: number): HeaderEntry | string {
  const entry = (raw ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype))
    return `dtype ${JSON.stringify(dtype)} is none of ${Object.keys(DTYPE_BYTES).join(', ')}`
  if (!Array.isArray(shape) || !shape.every(isCount)) return `shape ${JSON.stringify(shape)} is not a list of counts`
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return `data_offsets ${JSON.stringify(offsets)} are not two byte positions`
  const [from, to] = offsets as [number, number]
  if (from > to || base + to > end) return `bytes ${from} to ${to} ${OUTSIDE} the ${end - base} bytes of tensor data`
  const bytes = shape.reduce((product: bigint, extent) => product * BigInt(extent), BigInt(DTYPE_BYTES[dtype as Dtype]))
  if (bytes !== BigInt(to - from))
    return `shape [${shape.join(', ')}] of ${dtype} takes ${bytes} bytes, its range has ${to - from}`
  return { dtype: dtype as Dtype, shape, offset: base + from, length: to - from }
}

/** Sentences for ranges that overlap or leave holes: the format wants the data filled without either. */
function layoutFaults(entries: ReadonlyMap<string, HeaderEntry>, base: number, end: number): string[] {
  const faults: string[] = []
  let [position, before] = [base, 'the header']
  const ordered = [...entries].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length)
  for (const [name, { offset, length }] of ordered) {
    if (offset < position) faults.push(`'${name}': its bytes overlap those of '${before}'`)
    if (offset > position) faults.push(`'${name}': ${offset - position} bytes before it belong to no tensor`)
    ;[position, before] = [Math.max(position, offset + length), name]
  }
  if (faults.length === 0 && position < end) faults.push(`${end - position} bytes after the last tensor belong to none`)
  return faults
}

/**
 * Checks and reads a header (the bytes after the 8 of its length). Throws a SafetensorsError naming every faulty tensor (the
 * first five in full): unknown dtype, bad shape, range outside the file, size unlike the shape, overlap, hole, key given twice.
 */
export function parseHeader(header: Uint8Array, fileSize: number, where: string): ReadonlyMap<string, HeaderEntry> {
  const names = Object.entries(parseJson(header, where)).filter(([name]) => name !== '__metadata__')
  if (names.length > TENSOR_LIMIT)
    throw new SafetensorsError(`${where}: ${names.length} tensors, at most ${TENSOR_LIMIT} are accepted`)
  const base = 8 + header.length
  const faults: string[] = []
  const entries = new Map<string, HeaderEntry>()
  for (const [name, raw] of names) {
    const entry = parseEntry(raw, base, fileSize)
    if (typeof entry === 'string') faults.push(`'${name}': ${entry}`)
    else entries.set(name, entry)
  }
  if (faults.length === 0) faults.push(...layoutFaults(entries, base, fileSize))
  if (faults.length > 0) {
    const more = faults.length > FAULTS_SHOWN ? `; and ${faults.length - FAULTS_SHOWN} more` : ''
    const guess = faults.some((fault) => fault.includes(OUTSIDE)) ? ' (a file cut short?)' : ''
    throw new SafetensorsError(`${where}: broken tensors: ${faults.slice(0, FAULTS_SHOWN).join('; ')}${more}${guess}`)
  }
  return entries
}
