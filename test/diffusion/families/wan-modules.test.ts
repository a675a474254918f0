/** WAN's attentions and feed-forwards given from outside, refreshed in part and taken out: the same bits as when they are run. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import type { ModuleShape, Rows, Transformer } from '../../../diffusion/families/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { fixtures } from './rekeyed.ts'

let transformer: Transformer
let shared: Rows
let state: Rows
let plain: Rows
const TOKENS = { image: 36, text: 5 }
const KEYS = ['attn.0', 'mlp.0', 'attn.1', 'mlp.1'] as const

const blocks = (rows: Rows, modules?: ModuleShape): Promise<Rows> =>
  transformer.run({ kind: 'blocks', from: 0, to: 2, ...(modules ? { modules } : {}) }, rows, shared)
const shape = (part: Partial<ModuleShape>): ModuleShape => ({ given: [], refreshed: {}, emitted: [], ...part })
const flops = (modules?: ModuleShape): number =>
  transformer.flops({ kind: 'blocks', from: 0, to: 2, ...(modules ? { modules } : {}) }, TOKENS)

beforeAll(async () => {
  transformer = (await openDiffusionModel(join(fixtures, 'wan-t2v-a'))).transformer
  const prompt = { tokens: normalNoise(1n, [1, 5, 20]), pooled: null, extras: {} }
  const prepared = await transformer.prepare(prompt, [4, 3, 6, 8])
  shared = prepared.shared
  const at = { latent: normalNoise(2n, [1, 4, 3, 6, 8]), timestep: tensor(Float32Array.of(500), [1]) }
  state = await transformer.run({ kind: 'embed' }, { ...prepared.rows, ...at }, shared)
  plain = await blocks(state)
})
afterAll(() => transformer.release())

it('gives every module out, and takes them back', async () => {
  const emitted = await blocks(state, shape({ emitted: KEYS }))
  expect(emitted['image']?.data).toEqual(plain['image']?.data)
  for (const key of KEYS) expect(emitted[`${key}.image`]?.shape).toEqual([1, 36, 24])
  expect(Object.keys(emitted).filter((name) => name.endsWith('.text'))).toEqual([])
  const outputs = Object.fromEntries(KEYS.map((key) => [`${key}.image`, emitted[`${key}.image`]!]))
  const again = await blocks({ ...state, ...outputs }, shape({ given: KEYS }))
  expect(again['image']?.data).toEqual(plain['image']?.data)
  const doubled = {
    ...outputs,
    'mlp.1.image': { ...outputs['mlp.1.image']!, data: outputs['mlp.1.image']!.data.map((x) => 2 * x) },
  }
  const other = await blocks({ ...state, ...doubled }, shape({ given: KEYS }))
  expect(other['image']?.data).not.toEqual(plain['image']?.data)
})

it('computes a feed-forward anew for some tokens only', async () => {
  const { 'mlp.1.image': output } = await blocks(state, shape({ emitted: ['mlp.1'] }))
  const stale = { ...output!, data: output!.data.map((x, i) => (Math.floor(i / 24) % 2 === 0 ? 0 : x)) }
  const even = Float32Array.from({ length: 18 }, (_, i) => 2 * i)
  const rows = { ...state, 'mlp.1.image': stale, 'mlp.1.tokens': tensor(even, [1, 18]) }
  const mended = await blocks(rows, shape({ given: ['mlp.1'], refreshed: { 'mlp.1': 18 } }))
  mended['image']?.data.forEach((value, i) => expect(value).toBeCloseTo(plain['image']!.data[i]!, 5))
})

it('counts what is given as saved, and what is refreshed by its share', () => {
  const [all, half] = [shape({ given: ['mlp.1'] }), shape({ given: ['mlp.1'], refreshed: { 'mlp.1': 18 } })]
  expect(flops() - flops(all)).toBe(2 * 2 * 36 * 24 * 40)
  expect(flops() - flops(half)).toBe((flops() - flops(all)) / 2)
  expect(flops(shape({ given: KEYS }))).toBeGreaterThan(0)
})
