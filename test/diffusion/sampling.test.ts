/** Sampling runs: where they start and end, what they refuse, and what their report says. */
import { describe, expect, it } from 'vitest'
import { configure, type CacheConfiguration } from '../../diffusion/caching/contract.ts'
import { discrete, flow, LINEAR_BETAS } from '../../diffusion/families/parametrisation.ts'
import { mediumOf } from '../../diffusion/medium.ts'
import { noiseLevels } from '../../diffusion/noise-levels.ts'
import { predictionOf } from '../../diffusion/prediction.ts'
import { NormalGenerator, normalNoise } from '../../diffusion/random.ts'
import { samplers } from '../../diffusion/registry.ts'
import type { Sampler } from '../../diffusion/sampling-types.ts'
import { axpy, tensor, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { dicache, type DiCacheParams } from '../../nodes/caching/dicache.ts'
import { FAKE_LATENT, fakeConditioning, fakeTransformer } from '../fixtures/fake-model.ts'
import { knobs } from '../nodes/caching/scripted.ts'
import { runFake } from './caching/run.ts'

const shape = [1, ...FAKE_LATENT]
const at = (settings: Partial<DiCacheParams>): CacheConfiguration => configure(dicache, { ...knobs, ...settings })

/** Euler, remembering where it started. */
function remembering(): Sampler & { started: Tensor | null } {
  const euler = samplers.get('euler')!
  const spy: Sampler & { started: Tensor | null } = {
    ...euler,
    started: null,
    sample(denoise, latent, ...rest) {
      spy.started = latent
      return euler.sample(denoise, latent, ...rest)
    },
  }
  return spy
}

describe('start and end', () => {
  it('starts on the line between the latent and the noise', async () => {
    const [sampler, latent, noise] = [remembering(), normalNoise(1n, shape), normalNoise(2n, shape)]
    await runFake({ sampler, latent, noise, sigmas: [0.25, 0] })
    sampler.started!.data.forEach((value, i) =>
      expect(value).toBeCloseTo(0.25 * noise.data[i]! + 0.75 * latent.data[i]!, 6),
    )
  })

  it('a run left at a noise level brings the clean part back to scale', async () => {
    const sampler: Sampler = { ...samplers.get('euler')!, sample: (_, latent) => Promise.resolve(latent) }
    const latent = tensor(new Float32Array(8).fill(2), shape)
    const { samples } = await runFake({ sampler, latent, noise: zeros(shape), sigmas: [0.6, 0.2] })
    expect(samples.data[0]).toBeCloseTo((2 * 0.4) / 0.8, 6)
  })

  it('denoise 0 gives the latent back and runs nothing', async () => {
    const [latent, transformer] = [normalNoise(1n, shape), fakeTransformer()]
    const { samples, report } = await runFake({ latent, transformer, denoise: 0 })
    expect(samples).toBe(latent)
    expect([report.rows, transformer.runs]).toEqual([[], []])
  })
})

describe('noise', () => {
  const betas = discrete('epsilon', LINEAR_BETAS)

  it('of a model over betas has the variance of its input at the top of the range, and below it that of the level', () => {
    const [clean, noise] = [normalNoise(1n, shape), normalNoise(2n, shape)]
    const prediction = predictionOf(betas)
    const top = noiseLevels(betas).table.at(-1)!
    prediction
      .begun(clean, noise, top)
      .data.forEach((value, i) =>
        expect(value).toBeCloseTo(clean.data[i]! + Math.sqrt(1 + top ** 2) * noise.data[i]!, 3),
      )
    expect(prediction.begun(clean, noise, 3).data).toEqual(prediction.noised(clean, noise, 3).data)
  })

  it('that a sampler adds is that of the next seed, and needs none to be there', () => {
    const { noise, kind, ceiling } = mediumOf(flow(3), 41n, shape)
    const generator = new NormalGenerator(42n)
    expect([noise().data, noise().data]).toEqual([generator.draw(shape).data, generator.draw(shape).data])
    expect([kind, ceiling]).toEqual(['flow', expect.closeTo((3 * 0.9999) / (1 + 2 * 0.9999), 12)])
    expect(mediumOf(betas, 2n ** 64n - 1n, shape).noise().data).toEqual(normalNoise(0n, shape).data)
  })
})

describe('guidance', () => {
  it('is uncond + g (cond - uncond), and 1 leaves the negative prompt out', async () => {
    const one = { steps: 1, denoise: 1 }
    const transformer = fakeTransformer()
    const cond = await runFake({ ...one, guidance: 1, transformer, negative: [] })
    const uncond = await runFake({ ...one, guidance: 1, positive: [fakeConditioning(2)] })
    const guided = await runFake({ ...one, guidance: 3 })
    const expected = axpy(axpy(uncond.samples, 3, cond.samples), -3, uncond.samples)
    guided.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.data[i]!, 4))
    expect(transformer.runs.every(({ rows }) => rows === 1)).toBe(true)
    expect(cond.report.branches).toEqual(['cond'])
  })
})

describe('refusals', () => {
  it('names every fault at once, before anything runs', async () => {
    const transformer = fakeTransformer()
    const wrong = runFake({
      transformer,
      positive: [],
      negative: [],
      noise: zeros([1, 2, 2, 3]),
      latent: zeros([1, 3, 2, 2]),
      sigmas: [0.5, 0.7, 0],
      guidance: NaN,
    })
    await expect(wrong).rejects.toThrow(/positive.*negative.*sigmas.*noise.*latent.*guidance/)
    expect(transformer.runs).toEqual([])
  })
})

describe('the report', () => {
  it('has a row per evaluation, sample and branch, in this order, also as they fall', async () => {
    const live: unknown[] = []
    const { report } = await runFake({ batch: 2, steps: 3, samplerName: 'heun', onRows: (rows) => live.push(...rows) })
    expect(report.rows.map(({ evaluation, sample, branch }) => `${evaluation}${sample}${branch}`)).toEqual(
      [0, 1, 2, 3, 4].flatMap((i) => [`${i}0cond`, `${i}0uncond`, `${i}1cond`, `${i}1uncond`]),
    )
    expect(live).toEqual(report.rows)
    expect(report).toMatchObject({ method: null, family: 'fake', depth: 8, evaluations: 5, samples: 2, warnings: [] })
    expect(report.computedBlocks).toBe(report.totalBlocks)
  })

  it('carries the method and its settings', async () => {
    const own = await runFake({ cache: at({ threshold: 0.7 }) })
    expect(own.report).toMatchObject({ method: 'DiCache', params: { threshold: 0.7, preset: 'custom' } })
  })

  it.each([
    ['nothing was skipped', { threshold: 1e-9 }, 16, /skipped nothing/],
    ['everything was skipped', { threshold: 10 }, 16, /every evaluation it was free to/],
    ['there are few evaluations', { threshold: 0.15, warm_up: 0 }, 6, /only 6 model evaluations/],
  ])('warns when %s', async (_, settings, steps, expected) => {
    const { report } = await runFake({ cache: at(settings), steps })
    expect(report.warnings.join()).toMatch(expected)
  })

  it.each([{ enabled: false }, { threshold: 0 }])(
    'has nothing to warn of when a cache is off: %j',
    async (settings) => {
      expect((await runFake({ cache: at(settings), steps: 4 })).report.warnings).toEqual([])
    },
  )

  it('has nothing to warn of when a cache does its work', async () => {
    const { report } = await runFake({ cache: at({ threshold: 0.15, warm_up: 0 }) })
    expect(report.warnings).toEqual([])
  })

  it('tells each step with the predicted clean latent', async () => {
    const told: [number, number][] = []
    await runFake({
      steps: 3,
      onStep: (done, total, { shape: of }) => told.push([done, total]) && expect(of).toEqual(shape),
    })
    expect(told).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ])
  })
})
