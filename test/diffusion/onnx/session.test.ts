/** Graphs built in memory run on ONNX Runtime, and misuse is answered with errors that name what is wrong. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Graph } from '../../../diffusion/onnx/graph.ts'
import { attention, embedding, linear, plainLayerNorm, silu } from '../../../diffusion/onnx/ops.ts'
import { openSession } from '../../../diffusion/onnx/session.ts'
import { openWeights, rowsOf, type StoredTensor } from '../../../diffusion/onnx/weights.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { encodeRaw, encodeSafetensors } from './encode-safetensors.ts'

let dir: string
let weight: StoredTensor
let file: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'session-'))
  file = join(dir, 'w.safetensors')
  await writeFile(file, encodeSafetensors({ w: { shape: [4, 2], data: [1, 2, 3, 4, 5, 6, 7, 8] } }))
  weight = (await openWeights(file)).tensors.get('w')!
})
afterAll(() => rm(dir, { recursive: true }))

/** y = x W^T over rows [from, to) of w. */
function product(from: number, to: number) {
  const g = new Graph()
  const x = g.input('x', ['B', 'T', 2])
  g.output('y', linear(g, x, { weight: rowsOf(weight, from, to), bias: null }, 3), ['B', 'T', to - from])
  return g.build()
}

describe('sessions', () => {
  it.each(['private', 'mapped'] as const)('multiply by rows of a tensor inside the file (%s weights)', async (mode) => {
    const session = await openSession(product(1, 3), mode, 'test')
    const { y } = await session.run({ x: tensor(Float32Array.of(1, 0, 0, 1), [1, 2, 2]) })
    expect(y!.shape).toEqual([1, 2, 2])
    expect([...y!.data]).toEqual([3, 5, 4, 6])
    await session.release()
  })

  it.each([
    ['F16', [0x3e00, 0xc000, 0x3400]],
    ['BF16', [0x3fc0, 0xc000, 0x3e80]],
  ])('take %s weights and tables as float32, in either mode', async (dtype, halves) => {
    const path = join(dir, `${dtype}.safetensors`)
    const bytes = new Uint8Array(Uint16Array.from(halves).buffer)
    // Nine bytes before it: what follows lies at odd addresses.
    const pad = { dtype: 'U8', shape: [9], bytes: new Uint8Array(9) }
    await writeFile(path, encodeRaw({ pad, w: { dtype, shape: [3, 1], bytes } }))
    const stored = (await openWeights(path)).tensors.get('w')!
    for (const mode of ['private', 'mapped'] as const) {
      const g = new Graph()
      const x = g.input('x', ['B', 1])
      g.output('y', linear(g, x, { weight: stored, bias: null }, 2), ['B', 3])
      g.output('row', embedding(g, stored, g.input('ids', [1], 'i64')), [1, 1])
      const session = await openSession(g.build(), mode, dtype)
      const feeds = { x: tensor(Float32Array.of(2), [1, 1]), ids: { data: BigInt64Array.of(2n), shape: [1] } }
      const { y, row } = await session.run(feeds)
      expect([...y!.data]).toEqual([3, -4, 0.5])
      expect([...row!.data]).toEqual([0.25])
      await session.release()
    }
  })

  it('refuse tensors that are no floats', async () => {
    const path = join(dir, 'ints.safetensors')
    await writeFile(path, encodeRaw({ n: { dtype: 'I64', shape: [1], bytes: new Uint8Array(8) } }))
    const stored = (await openWeights(path)).tensors.get('n')!
    expect(() => new Graph().weight(stored)).toThrow(/ints\.safetensors: tensor 'n' is I64/)
  })

  it('name every missing and every unknown feed in one error', async () => {
    const g = new Graph()
    g.output('sum', g.op('Add', [g.input('a', ['N']), g.input('b', ['N'])]), ['N'])
    const session = await openSession(g.build(), 'private', 'adder')
    await expect(session.run({ c: tensor(new Float32Array(1), [1]) })).rejects.toThrow(
      /^adder: takes a, b; missing: a, b; unknown: c$/,
    )
    await session.release()
    await session.release()
    await expect(session.run({})).rejects.toThrow(/used after release/)
  })

  it('say the shapes that a run failed on', async () => {
    const session = await openSession(product(0, 4), 'private', 'product')
    await expect(session.run({ x: tensor(new Float32Array(3), [1, 1, 3]) })).rejects.toThrow(/product.*x \[1, 1, 3\]/s)
    await session.release()
  })

  it('say which model could not be loaded', async () => {
    const g = new Graph()
    g.output('y', g.op('NoSuchOperator', [g.input('x', ['N'])]), ['N'])
    await expect(openSession(g.build(), 'private', 'broken')).rejects.toThrow(/^broken: .*NoSuchOperator/s)
  })
})

describe('layers', () => {
  const run = async (
    build: (g: Graph) => void,
    feeds: Parameters<Awaited<ReturnType<typeof openSession>>['run']>[0],
  ) => {
    const g = new Graph()
    build(g)
    const session = await openSession(g.build(), 'private', 'layer')
    const { y } = await session.run(feeds)
    await session.release()
    return [...y!.data]
  }

  it('give what their formulas say', async () => {
    const x = tensor(Float32Array.of(1, 3), [1, 2])
    const one = (value: number): number => value / (1 + Math.exp(-value))
    const swished = await run((g) => g.output('y', silu(g, g.input('x', ['B', 2])), ['B', 2]), { x })
    swished.forEach((value, i) => expect(value).toBeCloseTo(one(x.data[i]!), 6))
    const normed = await run((g) => g.output('y', plainLayerNorm(g, g.input('x', ['B', 2]), 2, 1e-6), ['B', 2]), { x })
    expect(normed[0]).toBeCloseTo(-1, 5)
    expect(normed[1]).toBeCloseTo(1, 5)
  })

  it('attend with a bias and a scale', async () => {
    const feeds = {
      q: tensor(Float32Array.of(1, 2), [1, 1, 2]),
      k: tensor(Float32Array.of(1, 0, 0, 1), [1, 2, 2]),
      bias: tensor(Float32Array.of(0.5, -0.25), [1, 1, 1, 2]),
    }
    const y = await run((g) => {
      const [q, k] = [g.input('q', [1, 1, 2]), g.input('k', [1, 2, 2])]
      const bias = g.input('bias', [1, 1, 1, 2])
      g.output('y', attention(g, q, k, k, { heads: 1, scale: 1, bias }), [1, 1, 2])
    }, feeds)
    const [a, b] = [Math.exp(1.5), Math.exp(1.75)]
    expect(y[0]).toBeCloseTo(a / (a + b), 5)
    expect(y[1]).toBeCloseTo(b / (a + b), 5)
  })

  it('gather rows of a table', async () => {
    const ids = { data: BigInt64Array.of(2n, 0n), shape: [1, 2] }
    const y = await run((g) => g.output('y', embedding(g, weight, g.input('ids', [1, 'T'], 'i64')), [1, 'T', 2]), {
      ids,
    })
    expect(y).toEqual([5, 6, 1, 2])
  })
})
