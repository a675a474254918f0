/** Float8 weights with scales: products against values decoded by hand, one scale a weight or a row, mapped and private, cut and whole. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Graph } from '../../../diffusion/onnx/graph.ts'
import { embedding, linear } from '../../../diffusion/onnx/ops.ts'
import { openSession } from '../../../diffusion/onnx/session.ts'
import { openWeights, rowsOf, type StoredTensor } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { encodeRaw, type RawTensor } from './encode-safetensors.ts'

const [OUT, WIDE] = [6, 8]

/** Every finite value once and again, in an order that mixes them. */
const bytesOf = (last: number): Uint8Array =>
  Uint8Array.from({ length: OUT * WIDE }, (_, i) => ((i * 37) % last) | (i % 3 === 0 ? 128 : 0))

/** By the definition: sign, exponent, mantissa; the smallest exponent without the leading one. */
function decode(byte: number, mantissaBits: number, bias: number): number {
  const mantissa = byte & ((1 << mantissaBits) - 1)
  const exponent = (byte & 127) >> mantissaBits
  const size =
    exponent === 0
      ? mantissa * 2 ** (1 - bias - mantissaBits)
      : (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias)
  return byte & 128 ? -size : size
}
const FORMS = {
  F8_E4M3: { bytes: bytesOf(0x7e), value: (byte: number) => decode(byte, 3, 7) },
  F8_E5M2: { bytes: bytesOf(0x40), value: (byte: number) => decode(byte, 2, 15) },
}

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'scales-'))
})
afterAll(() => rm(dir, { recursive: true }))

async function weightOf(tensors: Readonly<Record<string, RawTensor>>): Promise<ReadonlyMap<string, StoredTensor>> {
  const path = join(dir, 'scaled.safetensors')
  await writeFile(path, encodeRaw(tensors))
  return (await openWeights(path)).tensors
}
const floats = (shape: readonly number[], values: readonly number[]): RawTensor => ({
  ...{ dtype: 'F32', shape },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
})

describe.each(['F8_E4M3', 'F8_E5M2'] as const)('weights of %s', (dtype) => {
  const { bytes, value } = FORMS[dtype]
  const stored: RawTensor = { dtype, shape: [OUT, WIDE], bytes }
  const x = { data: normalNoise(1n, [2, WIDE]).data, shape: [2, WIDE] }
  const byHand = (scales: readonly number[], from = 0, to = OUT): number[] =>
    [0, 1].flatMap((r) =>
      Array.from({ length: to - from }, (_, o) => {
        const scale = scales.length === 1 ? scales[0]! : scales[from + o]!
        let sum = 0
        for (let i = 0; i < WIDE; i++) sum += x.data[r * WIDE + i]! * value(bytes[(from + o) * WIDE + i]!) * scale
        return sum
      }),
    )

  it.each([
    ['none', {}, [1]],
    [
      'one, as ComfyUI has it',
      { 'a.scale_weight': floats([], [0.03]), scaled_fp8: floats([0], []), 'a.scale_input': floats([], [2]) },
      [0.03],
    ],
    ['one, in a list', { 'a.weight_scale': floats([1], [0.5]) }, [0.5]],
    ['one a row', { 'a.weight_scale': floats([OUT, 1], [1, 2, 3, 4, 5, 6]) }, [1, 2, 3, 4, 5, 6]],
  ] as const)('with scales: %s', async (_, scales, factors) => {
    const tensors = await weightOf({ 'a.weight': stored, ...scales })
    expect([...tensors.keys()]).toEqual(['a.weight'])
    const weight = tensors.get('a.weight')!
    for (const mode of ['private', 'mapped'] as const)
      for (const [from, to] of [
        [0, OUT],
        [2, 5],
      ] as const) {
        const g = new Graph()
        const product = linear(g, g.input('x', ['B', WIDE]), { weight: rowsOf(weight, from, to), bias: null }, 2)
        g.output('y', product, ['B', to - from])
        const session = await openSession(g.build(), mode, dtype)
        const { y } = await session.run({ x })
        const expected = byHand(factors, from, to)
        expected.forEach((one, i) => expect(y!.data[i]! / one).toBeCloseTo(1, 4))
        await session.release()
      }
  })

  it('serve as tables of embeddings too', async () => {
    const tensors = await weightOf({ 'a.weight': stored, 'a.scale_weight': floats([1], [2]) })
    const g = new Graph()
    g.output('y', embedding(g, tensors.get('a.weight')!, g.input('ids', ['N'], 'i64')), ['N', WIDE])
    const session = await openSession(g.build(), 'mapped', dtype)
    const { y } = await session.run({ ids: { data: BigInt64Array.of(3n, 0n), shape: [2] } })
    expect([...y!.data]).toEqual(
      [...bytes.subarray(3 * WIDE, 4 * WIDE), ...bytes.subarray(0, WIDE)].map((b) => 2 * value(b)),
    )
    await session.release()
  })
})

it('scales that belong to no float8 weight, or have another shape, stay in sight', async () => {
  const half = { dtype: 'F16', shape: [2, 2], bytes: new Uint8Array(8) }
  const byte = { dtype: 'F8_E4M3', shape: [4, 2], bytes: new Uint8Array(8) }
  const tensors = await weightOf({
    'a.weight': half,
    'a.weight_scale': floats([], [1]),
    'b.weight': byte,
    'b.weight_scale': floats([2, 1], [1, 1]),
  })
  expect([...tensors.keys()]).toEqual(['a.weight', 'a.weight_scale', 'b.weight', 'b.weight_scale'])
})
