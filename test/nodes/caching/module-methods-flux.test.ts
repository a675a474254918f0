/** FasterCache, PAB and ProCache on the real engine: what they skip is not run, seen by the count and by the clock. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { parseFluxConfig } from '../../../diffusion/families/flux/config.ts'
import { fluxShapes, locateFlux } from '../../../diffusion/families/flux/keys.ts'
import { FluxTransformer } from '../../../diffusion/families/flux/transformer.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import { encodeRaw } from '../../diffusion/onnx/encode-safetensors.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { fakeModel } from '../../fixtures/fake-model.ts'
import { cachingNodes, configured, type Settings } from './subject.ts'

const [DOUBLE, SINGLE] = [2, 2]
const config = parseFluxConfig(
  {
    in_channels: 16,
    num_layers: DOUBLE,
    num_single_layers: SINGLE,
    attention_head_dim: 64,
    num_attention_heads: 4,
    joint_attention_dim: 32,
    pooled_projection_dim: 16,
    guidance_embeds: false,
    axes_dims_rope: [8, 28, 28],
  },
  'config.json',
)
const conditioning = (prompt: number) => ({
  tokens: normalNoise(BigInt(prompt), [1, 8, 32]),
  pooled: normalNoise(BigInt(prompt + 10), [1, 16]),
  extras: {},
})

let folder: string
let transformer: FluxTransformer

/** Random weights, matrices scaled so that tokens stay near 1. */
async function writeModel(file: string): Promise<void> {
  const names = [...fluxShapes(config)].map(([name, shape], i) => {
    const spread = shape.length === 2 ? 1 / Math.sqrt(shape[1]!) : 0.1
    const centre = name.includes('.norm_') && shape.length === 1 ? 1 : 0
    const { data } = normalNoise(BigInt(i), shape)
    return [
      name,
      { dtype: 'F32', shape, bytes: new Uint8Array(data.map((value) => centre + spread * value).buffer) },
    ] as const
  })
  // The file has the halves of the last modulation in one tensor.
  const joined = ['weight', 'bias'].map((kind) => {
    const [scale, shift] = ['scale', 'shift'].map((half) => new Map(names).get(`norm_out.${half}.${kind}`)!)
    const shape = [2 * scale!.shape[0]!, ...scale!.shape.slice(1)]
    return [
      `norm_out.linear.${kind}`,
      { dtype: 'F32', shape, bytes: Buffer.concat([scale!.bytes, shift!.bytes]) },
    ] as const
  })
  const kept = names.filter(([name]) => !/^norm_out\.(scale|shift)/.test(name))
  await writeFile(file, encodeRaw(Object.fromEntries([...kept, ...joined])))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-modules-'))
  const file = join(folder, 'model.safetensors')
  await writeModel(file)
  const { found, misfits } = locateFlux((await openWeights(file)).tensors, config, 'diffusers')
  expect(misfits).toEqual([])
  transformer = new FluxTransformer({ config, weights: found }, 'random FLUX', 'private')
})
afterAll(async () => {
  await transformer.release()
  await rm(folder, { recursive: true })
})

const SHAPE = [1, 4, 24, 24]
/** Whole sampling runs, on machines that may be busy. */
const LIMIT = 120_000

function run(cache: CacheConfiguration | null, guidance = 1, steps = 12) {
  const model = { ...fakeModel(transformer), latent: { channels: 4, factor: 8, rgb: null } }
  const prompts = { positive: [conditioning(1)], negative: [conditioning(2)] }
  return runFake({ model, ...prompts, noise: normalNoise(7n, SHAPE), latent: zeros(SHAPE), cache, guidance, steps })
}

async function cacheOf(type: string, settings: Settings): Promise<CacheConfiguration> {
  const node = (await cachingNodes()).find(({ definition }) => definition.type === type)
  if (!node) throw new Error(`no node ${type}`)
  return configured(node, settings)
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

describe.each([
  ['PAB', { attention_range: 2, start: 0, end: 1 }, { attn: 0, mlp: 4 }, 0.85],
  ['PAB', { attention_range: 2, mlp_range: 2, mlp_blocks: 4, start: 0, end: 1 }, { attn: 0, mlp: 0 }, 0.4],
  ['FasterCache', { attention_start: 0, uncond_interval: 1 }, { attn: 0, mlp: 4 }, 0.85],
  ['ProCache', { pattern: '2x6', refresh: false }, { attn: 0, mlp: 0 }, 0.4],
] as const)('%s %j', (type, settings, reused, share) => {
  it(
    'what is reused is not run: the count, the estimate and the clock say so',
    async () => {
      await run(null, 1, 2)
      await run(await cacheOf(type, settings), 1, 3)
      const { report, samples } = await run(await cacheOf(type, settings))
      expect(samples.data.every(Number.isFinite)).toBe(true)
      const [full, partial] = [true, false].map((is) =>
        report.rows.filter(({ decision }) => (decision === 'full') === is),
      )
      expect(partial!.length).toBeGreaterThan(3)
      for (const { modules } of partial!) expect(modules).toEqual(reused)
      const each = (rows: typeof full, key: 'flops' | 'milliseconds') => middle(rows!.map((row) => row[key]))
      expect(each(partial, 'flops') / each(full, 'flops')).toBeLessThan(share - 0.05)
      // Least times, because other processes take the processor now and then.
      const least = (rows: typeof full) => Math.min(...rows!.map(({ milliseconds }) => milliseconds))
      expect(least(partial) / least(full)).toBeLessThan(share)
      expect(report.computedFlops).toBeLessThan(report.totalFlops)
    },
    LIMIT,
  )
})

describe('settings that share nothing', () => {
  it.each([
    ['PAB', { attention_range: 2, start: 0.999, end: 1 }],
    ['FasterCache', { attention_start: 1, uncond_start: 1 }],
    ['ProCache', { pattern: '1x12' }],
  ] as const)(
    '%s: running every module apart is the plain run, bit for bit',
    async (type, settings) => {
      const cached = await run(await cacheOf(type, settings), 3, 4)
      const plain = await run(null, 3, 4)
      expect(cached.samples.data).toEqual(plain.samples.data)
      expect(cached.report.computedFlops).toBeCloseTo(plain.report.totalFlops, -3)
      expect(plain.report.computedFlops).toBe(plain.report.totalFlops)
    },
    LIMIT,
  )

  it('the estimate is that of the matrix products', () => {
    const tokens = { image: 256, text: 8 }
    const [T, w] = [264, 256]
    const block = T * 8 * w * w + 4 * T * T * w + T * 16 * w * w
    const patches = 2 * 256 * 16 * w
    const modulations = 12 * DOUBLE + 3 * SINGLE + 2
    expect(transformer.flops({ kind: 'blocks', from: 0, to: 1 }, tokens)).toBe(block)
    expect(transformer.flops({ kind: 'blocks', from: 2, to: 3 }, tokens)).toBe(block)
    expect(transformer.flops({ kind: 'head' }, tokens)).toBe(patches)
    expect(transformer.flops({ kind: 'embed', foreseen: true }, tokens)).toBe(patches)
    const level = transformer.flops({ kind: 'embed' }, tokens) - patches
    expect(level).toBe(2 * (256 + w) * w + 2 * modulations * w * w)
  })
})

describe('ProCache by received attention', () => {
  it(
    'refreshes tokens in the deep blocks, and counts them by their share',
    async () => {
      const settings = { pattern: '3x4', importance: 'attention', token_ratio: 0.5, depth_share: 0.5 }
      const { report } = await run(await cacheOf('ProCache', settings))
      const refreshed = report.rows.filter(({ decision }) => decision === 'partial')
      expect(refreshed.length).toBeGreaterThan(1)
      for (const { modules } of refreshed) {
        expect(modules['attn']).toBe(0)
        expect(modules['mlp']).toBeGreaterThan(0)
        expect(modules['mlp']).toBeLessThanOrEqual(2)
      }
    },
    LIMIT,
  )
})
