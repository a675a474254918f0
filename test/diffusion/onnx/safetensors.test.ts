/** The safetensors reader against whole, broken and hostile headers. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { headerLength, parseHeader, SafetensorsError, TENSOR_LIMIT } from '../../../diffusion/onnx/safetensors.ts'
import { openWeights, openWeightsFolder, readTensor, rowsOf } from '../../../diffusion/onnx/weights.ts'
import { encodeSafetensors } from './encode-safetensors.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
/** Parses a header in front of `data` bytes of tensor data. */
const parse = (header: string, data: number) =>
  parseHeader(bytes(header), 8 + bytes(header).length + data, 'x.safetensors')
const entry = (dtype: string, shape: unknown, from: unknown, to: unknown): string =>
  JSON.stringify({ dtype, shape, data_offsets: [from, to] })

describe('parseHeader', () => {
  it('gives offsets from the start of the file', () => {
    const header = `{"a":${entry('F32', [2, 3], 0, 24)},"b":${entry('F16', [4], 24, 32)},"__metadata__":{"k":"v"}}`
    const entries = parse(header, 32)
    expect([...entries.keys()]).toEqual(['a', 'b'])
    expect(entries.get('b')).toEqual({ dtype: 'F16', shape: [4], offset: 8 + header.length + 24, length: 8 })
  })

  it.each([
    ['an unknown dtype', `{"a":${entry('F33', [1], 0, 4)}}`, 4, /'a'.*F33/],
    ['a shape that is no list', `{"a":${entry('F32', 7, 0, 4)}}`, 4, /'a'.*shape 7/],
    ['a negative extent', `{"a":${entry('F32', [-1], 0, 4)}}`, 4, /'a'.*shape/],
    ['a fractional extent', `{"a":${entry('F32', [0.5], 0, 2)}}`, 2, /'a'.*shape/],
    ['three offsets', `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 8, /'a'.*data_offsets/],
    ['offsets in reverse', `{"a":${entry('F32', [1], 4, 0)}}`, 4, /'a'.*outside/],
    ['a range past the end', `{"a":${entry('F32', [2], 0, 8)}}`, 4, /'a'.*cut short/],
    ['a size unlike the shape', `{"a":${entry('F32', [3], 0, 8)}}`, 8, /'a'.*takes 12 bytes/],
    [
      'a product beyond 2^53',
      `{"a":${entry('F32', [2 ** 30, 2 ** 30, 2 ** 30], 0, 4)}}`,
      4,
      /'a'.*takes \d{20,} bytes/,
    ],
    [
      'overlapping tensors',
      `{"a":${entry('F32', [2], 0, 8)},"b":${entry('F32', [2], 4, 12)}}`,
      12,
      /'b'.*overlap.*'a'/,
    ],
    ['a hole', `{"a":${entry('F32', [1], 0, 4)},"b":${entry('F32', [1], 8, 12)}}`, 12, /'b': 4 bytes before/],
    ['bytes after the last tensor', `{"a":${entry('F32', [1], 0, 4)}}`, 9, /5 bytes after/],
    ['a key given twice', `{"a":${entry('F32', [1], 0, 4)},"a":${entry('F32', [1], 0, 4)}}`, 4, /'a' twice/],
    ['a field given twice', `{"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8, /'dtype' twice/],
    [
      'an escaped key given twice',
      `{"a":${entry('U8', [1], 0, 1)},"\\u0061":${entry('U8', [1], 0, 1)}}`,
      1,
      /'a' twice/,
    ],
    ['no JSON', `{"a":`, 0, /not JSON/],
    ['a list', `[1]`, 0, /not a JSON object/],
    ['null for an entry', `{"a":null}`, 0, /'a'.*dtype/],
  ])('refuses %s', (_, header, data, message) => {
    expect(() => parse(header, data)).toThrow(SafetensorsError)
    expect(() => parse(header, data)).toThrow(message)
  })

  it('names every faulty tensor at once, up to five', () => {
    const names = Array.from({ length: 8 }, (_, i) => `"t${i}":${entry('F33', [1], 0, 4)}`)
    expect(() => parse(`{${names.join()}}`, 4)).toThrow(/'t0'.*'t4'.*and 3 more/)
  })

  it('refuses more tensors than the limit', () => {
    const names = Array.from({ length: TENSOR_LIMIT + 1 }, (_, i) => `"${i}":${entry('F32', [0], 0, 0)}`)
    expect(() => parse(`{${names.join()}}`, 0)).toThrow(/20001 tensors/)
  })

  it('accepts empty tensors and keys such as __proto__ without touching prototypes', () => {
    const entries = parse(`{"__proto__":${entry('F32', [0, 5], 0, 0)},"constructor":${entry('U8', [1], 0, 1)}}`, 1)
    expect([...entries.keys()]).toEqual(['__proto__', 'constructor'])
    expect(({} as Record<string, unknown>)['dtype']).toBeUndefined()
  })

  it('answers any bytes with entries inside the file or a SafetensorsError', () => {
    const json = fc.json().map(bytes)
    const near = fc
      .record({
        dtype: fc.constantFrom('F32', 'F16', 'U8', 'F33', null),
        shape: fc.oneof(fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 3 }), fc.anything()),
        data_offsets: fc.oneof(
          fc.tuple(fc.integer({ min: -4, max: 80 }), fc.integer({ min: 0, max: 80 })),
          fc.anything(),
        ),
      })
      .map((value) => bytes(JSON.stringify({ a: value, b: value })))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), json, near), fc.nat({ max: 100 }), (header, data) => {
        const end = 8 + header.length + data
        try {
          for (const { offset, length } of parseHeader(header, end, 'x').values()) {
            expect(offset).toBeGreaterThanOrEqual(8 + header.length)
            expect(offset + length).toBeLessThanOrEqual(end)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('headerLength', () => {
  const prefix = (length: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(length).buffer)
  it.each([
    ['a tiny file', prefix(2n), 9, /too few/],
    ['a header longer than the file', prefix(100n), 50, /does not fit/],
    ['a header of 100 MB', prefix(100_000_000n), 1e9, /at most 16777216/],
    ['a header of 2^64 - 1', prefix(2n ** 64n - 1n), 1e9, /at most/],
  ])('refuses %s', (_, bytes, size, message) => expect(() => headerLength(bytes, size, 'x')).toThrow(message))
})

describe('files', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'safetensors-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it('reads through a symbolic link, and rows of a tensor in place', async () => {
    await writeFile(join(dir, 'real.bin'), encodeSafetensors({ a: { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } }))
    await symlink(join(dir, 'real.bin'), join(dir, 'link.safetensors'))
    const { tensors } = await openWeights(join(dir, 'link.safetensors'))
    const stored = tensors.get('a')!
    expect(stored.file).toMatch(/real\.bin$/)
    const rows = await readTensor(rowsOf(stored, 1, 3))
    expect(rows.shape).toEqual([2, 2])
    expect([...rows.data]).toEqual([3, 4, 5, 6])
    expect(() => rowsOf(stored, 2, 4)).toThrow(/rows 2 to 4 of a tensor with 3/)
  })

  it('asks once whether the file was cut short, however many tensors it lacks', async () => {
    const tensors = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`t${i}`, { shape: [2], data: [i, i] }]))
    const whole = encodeSafetensors(tensors)
    const file = join(dir, 'half.safetensors')
    await writeFile(file, whole.subarray(0, whole.length - 50))
    const error = await openWeights(file).catch((reason: unknown) => reason)
    expect(String(error)).toMatch(/'t2': bytes 16 to 24 lie outside .* and 2 more \(a file cut short\?\)$/)
    expect(String(error).split('cut short')).toHaveLength(2)
  })

  it('names the file and the tensor of a truncated download', async () => {
    const whole = encodeSafetensors({ first: { shape: [2], data: [1, 2] }, second: { shape: [2], data: [3, 4] } })
    await writeFile(join(dir, 'cut.safetensors'), whole.subarray(0, whole.length - 5))
    await expect(openWeights(join(dir, 'cut.safetensors'))).rejects.toThrow(/cut\.safetensors.*'second'.*cut short/)
    await writeFile(join(dir, 'empty.safetensors'), '')
    await expect(openWeights(join(dir, 'empty.safetensors'))).rejects.toThrow(/empty\.safetensors: 0 bytes/)
    await writeFile(join(dir, 'page.safetensors'), '<!doctype html><title>404</title>')
    await expect(openWeights(join(dir, 'page.safetensors'))).rejects.toThrow(
      /page\.safetensors.*not a safetensors file/,
    )
  })

  it('joins the shards of an index, and refuses one outside the folder or a tensor in two', async () => {
    const shard = (name: string, value: number) =>
      writeFile(join(dir, `model-${name}.safetensors`), encodeSafetensors({ [name]: { shape: [1], data: [value] } }))
    await shard('a', 1)
    await shard('b', 2)
    const index = (map: Record<string, string>) =>
      writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    await index({ a: 'model-a.safetensors', b: 'model-b.safetensors' })
    expect([...(await openWeightsFolder(dir)).tensors.keys()]).toEqual(['a', 'b'])
    await index({ a: '../model-a.safetensors' })
    await expect(openWeightsFolder(dir)).rejects.toThrow(/weight_map.*\.\.\/model-a/)
    await writeFile(join(dir, 'model-b.safetensors'), encodeSafetensors({ a: { shape: [1], data: [1] } }))
    await index({ a: 'model-a.safetensors', b: 'model-b.safetensors' })
    await expect(openWeightsFolder(dir)).rejects.toThrow(/tensor 'a' is in model-a/)
  })
})
