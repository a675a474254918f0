/** Caching methods on a real U-Net: DeepCache against a plain run whose deep features are replaced, residual methods, and refusals. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, UnmetNeedsError, type CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { recorder } from '../../../diffusion/caching/recording.ts'
import { firstDivergence, replay } from '../../../diffusion/caching/replay.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import type { Conditioning, DiffusionModel } from '../../../diffusion/families/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import type { SamplingResult } from '../../../diffusion/sampling-types.ts'
import { tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import { deepcache, type DeepCacheParams } from '../../../nodes/caching/deepcache.ts'
import { cachingNodes, configured, type Settings } from '../../nodes/caching/subject.ts'
import { withReplacedFeatures } from './unet-oracle.ts'

const SHAPE = [1, 4, 8, 10]
const STEPS = 7
const prompt = (seed: bigint): Conditioning => ({ tokens: normalNoise(seed, [1, 6, 24]), pooled: null, extras: {} })
const [positive, negative] = [prompt(1n), prompt(2n)]

let model: DiffusionModel
beforeAll(async () => {
  model = await openDiffusionModel(join(import.meta.dirname, '../../fixtures/parity/unet-sd15-a'))
})
afterAll(() => model.transformer.release())

const sigmas = () => runSigmas(schedules.get('normal')!, STEPS, 1, model.parametrisation)
const noiseOf = (batch: number): Tensor => normalNoise(7n, [batch, ...SHAPE.slice(1)])

const run = (cache: CacheConfiguration | null, guidance = 1, noise = noiseOf(1)): Promise<SamplingResult> =>
  sample({
    ...{ model, cache, noise, guidance, positive: [positive], negative: [negative], sigmas: sigmas() },
    latent: zeros(noise.shape),
    sampler: samplers.get('euler')!,
    signal: new AbortController().signal,
  })

const knobs: DeepCacheParams = {
  ...{ preset: 'custom', enabled: true, interval: 3, schedule: 'uniform', center: 0.3, power: 1.4 },
  ...{ branch: 0, front: 1, back: 1, warm_up: 0, force_last: false, start: 0, end: 1 },
}
const deep = (settings: Partial<DeepCacheParams> = {}) => configure(deepcache, { ...knobs, ...settings })

/** Which evaluations an interval computes in full. */
const every = (interval: number) => (step: number) => step % interval === 0

const straightLine = (branch: number, isFull: (step: number) => boolean, guidance = 1): Promise<Tensor> =>
  withReplacedFeatures({ model, positive, negative, noise: noiseOf(1), sigmas: sigmas(), guidance, branch, isFull })

describe('DeepCache on a U-Net of eight units', () => {
  it.each([
    [0, 3],
    [1, 2],
    [2, 4],
    [3, 3],
  ])('at branch %i, one full step in %i: the plain run with replaced deep features', async (branch, interval) => {
    const { samples, report } = await run(deep({ branch, interval }))
    expect(maxAbsDifference(samples, await straightLine(branch, every(interval)))).toBeLessThan(1e-5)
    const expected = Array.from({ length: STEPS }, (_, i) => (every(interval)(i) ? 8 : 2 * branch + 1))
    expect(report.rows.map(({ blocks }) => blocks)).toEqual(expected)
    expect(report.computedBlocks).toBe(expected.reduce((a, b) => a + b))
    expect(report.totalBlocks).toBe(8 * STEPS)
  })

  it('keeps a feature for each branch of guidance', async () => {
    const { samples, report } = await run(deep({ branch: 1 }), 3)
    // Rows of a batch round otherwise than single ones, which guidance triples.
    expect(maxAbsDifference(samples, await straightLine(1, every(3), 3))).toBeLessThan(1e-4)
    expect(report.computedBlocks).toBe(2 * (3 * 8 + 4 * 3))
  })

  it('follows the published non-uniform schedule', async () => {
    const { samples, report } = await run(deep({ branch: 1, interval: 2, schedule: 'non-uniform' }))
    const full = report.rows.filter((row) => row.decision === 'full').map((row) => row.evaluation)
    expect(full).not.toEqual([0, 2, 4, 6])
    expect(maxAbsDifference(samples, await straightLine(1, (step) => full.includes(step)))).toBeLessThan(1e-5)
  })

  it('is not the plain run, but for interval 1, whose bits it is', async () => {
    const plain = await run(null)
    expect(maxAbsDifference((await run(deep())).samples, plain.samples)).toBeGreaterThan(1e-2)
    expect((await run(deep({ interval: 1 }))).samples).toEqual(plain.samples)
  })

  it('a batch is its single runs', async () => {
    const noise = noiseOf(2)
    const both = await run(deep({ branch: 1 }), 3, noise)
    const second = tensor(noise.data.slice(noise.data.length / 2), SHAPE)
    const alone = await run(deep({ branch: 1 }), 3, second)
    expect(
      maxAbsDifference({ ...alone.samples, data: both.samples.data.slice(noise.data.length / 2) }, alone.samples),
    ).toBeLessThan(1e-4)
  })

  it('presets bring their own branch', async () => {
    const blocks = async (preset: 'paper' | 'official') =>
      Math.min(...(await run(deep({ preset, branch: 3 }))).report.rows.map((row) => row.blocks))
    expect([await blocks('official'), await blocks('paper')]).toEqual([1, 3])
  })

  it('can be foretold from a recorded run', async () => {
    const cache = deep({ branch: 2 })
    const whole = recorder([cache], 1)
    await run(whole.cache)
    const { rows, computedBlocks } = await replay(whole.recording(), cache, model.transformer)
    const real = await run(cache)
    expect(firstDivergence(rows, real.report.rows)).toBeNull()
    expect(computedBlocks).toBe(real.report.computedBlocks)
  })

  it('refuses a branch that the model does not have, or that leaves nothing to skip', async () => {
    await expect(run(deep({ branch: 4 }))).rejects.toThrow(/branch 4 leaves nothing to skip; .* 4 skip connections/)
    await expect(run(deep({ branch: 4 }))).rejects.toThrow(UnmetNeedsError)
    const short = { ...model.transformer.facts, skips: 2 }
    expect(() => deep({ branch: 2 }).bind(short)).toThrow(/DeepCache needs the skip connection 2 of a U-Net/)
    expect(() => deep({ branch: 1 }).bind(short)).not.toThrow()
  })
})

const nodes = await cachingNodes()
const node = (type: string, settings: Settings = {}): Promise<CacheConfiguration> => {
  const found = nodes.find(({ definition }) => definition.type === type)
  if (!found) throw new Error(`no node ${type}`)
  return configured(found, settings)
}

describe('residual methods on a U-Net', () => {
  it.each([
    ['StepMask', { interval: 3 }],
    ['FirstBlockCache', { threshold: 5 }],
    ['DiCache', { threshold: 1 }],
    ['DBCache', { front_blocks: 1, back_blocks: 1, threshold: 5 }],
    ['ProfilingDiT', { blocks: '0' }],
  ] as const)('%s runs with what its tokens offer, and leaves blocks out', async (type, settings) => {
    const { samples, report } = await run(await node(type, settings))
    expect(samples.data.every(Number.isFinite)).toBe(true)
    expect(report.computedBlocks).toBeLessThan(report.totalBlocks)
  })

  it.each([
    ['H2Cache', {}],
    ['PAB', {}],
    ['ProCache', {}],
    ['TeaCache', {}],
    ['DiCache', { probe_depth: 2 }],
    ['DBCache', { front_blocks: 2, back_blocks: 0 }],
  ] as const)('%s refuses what the tokens of another level cannot give: %o', async (type, settings) => {
    await expect(run(await node(type, settings))).rejects.toThrow(UnmetNeedsError)
  })
})
