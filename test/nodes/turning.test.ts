/** What-if and tuning on a small model: predictions against real runs, bisection against known functions, targets met or said not to be. */
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { configure, type CacheConfiguration } from '../../diffusion/caching/contract.ts'
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import type { Autoencoder } from '../../diffusion/families/contract.ts'
import { psnr } from '../../diffusion/metrics.ts'
import { tensor, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { dicache } from '../../nodes/caching/dicache.ts'
import cacheWhatIf from '../../nodes/measuring/cache-what-if.ts'
import tuneCache from '../../nodes/measuring/tune-cache.ts'
import { computedShare, knobOf, valuesBetween } from '../../nodes/measuring/turning/knob.ts'
import { search, type Search } from '../../nodes/measuring/turning/search.ts'
import type { Values } from '../../nodes/spec.ts'
import { fakeConditioning, fakeModel, fakeTransformer } from '../fixtures/fake-model.ts'
import { knobs } from './caching/scripted.ts'
import { context } from './context.ts'

const cache = configure(dicache, { ...knobs, threshold: 0.15, warm_up: 0 })
const model = fakeModel(fakeTransformer())

/** Latents [B, 2, h, w] as grey pictures [B, 4 h, 4 w, 3], every value a square of 4 x 4. */
const vae: Autoencoder = {
  factor: 4,
  channels: 2,
  decode({ data, shape: [batch = 1, channels = 2, h = 1, w = 1] }) {
    const pixels = Float32Array.from({ length: batch * 16 * h * w * 3 }, (_, i) => {
      const [at, x] = [Math.floor(i / 3), Math.floor(i / 3) % (4 * w)]
      const [b, y] = [Math.floor(at / (16 * h * w)), Math.floor(at / (4 * w)) % (4 * h)]
      return 0.5 + 0.1 * data[(b * channels * h + (y >> 2)) * w + (x >> 2)]!
    })
    return Promise.resolve(tensor(pixels, [batch, 4 * h, 4 * w, 3]))
  },
  encode: (pixels) => Promise.resolve(pixels),
}

const sampling = {
  ...{ model, seed: 1n, steps: 16, cfg: 3, sampler_name: 'euler', scheduler: 'simple', denoise: 1 },
  ...{
    positive: [fakeConditioning(1)],
    negative: [fakeConditioning(2)],
    latent_image: { samples: zeros([1, 2, 4, 4]) },
  },
}

/** A context that keeps what the node reported. */
function watching() {
  const base = context(tmpdir())
  const reports: CacheReport[] = []
  const progress: number[] = []
  const report = {
    ...base.report,
    sampled: (one: CacheReport) => reports.push(one),
    progress: (value: number, max: number) => progress.push(value / max),
  }
  return { ...base, report, reports, progress }
}

type WhatIf = Values<typeof cacheWhatIf.inputs>
const whatIf = async (more: Partial<WhatIf> = {}) => {
  const watched = watching()
  const given = { low: 0, high: 0.5, points: 11, verify: true, knob: 'threshold', whole_numbers: false }
  const result = await cacheWhatIf.run({ ...sampling, ...given, cache, ...more }, watched)
  return { ...watched, ...result, read: JSON.parse(result.json) as Read }
}
interface Sums {
  readonly value: number
  readonly computedBlocks: number
  readonly computedShare: number
  readonly decisions: Readonly<Record<string, string>>
}
interface Read {
  readonly predicted: readonly Sums[]
  readonly real: Sums | null
  readonly predictedThere: Sums | null
  readonly firstDivergence: { readonly evaluation: number; readonly branch: string } | null
}

describe('CacheWhatIf', () => {
  it('predicts a whole range from one run, and states where the real run parts from the prediction', async () => {
    const { read, reports, LATENT, IMAGE } = await whatIf()
    expect(reports.map(({ method }) => method)).toEqual(['Recording', 'DiCache'])
    expect(read.predicted.map(({ value }) => value)).toEqual([0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
    const shares = read.predicted.map(({ computedShare: share }) => share)
    expect(shares[0]).toBeCloseTo(1, 9)
    expect(shares).toEqual([...shares].sort((a, b) => b - a))
    const [predicted, real] = [read.predictedThere!.decisions, read.real!.decisions]
    const parted = ['0 cond', '0 uncond'].map((key) =>
      Array.from(real[key]!).findIndex((letter, i) => letter !== predicted[key]![i]),
    )
    const first = Math.min(...parted.map((at) => (at < 0 ? Infinity : at)))
    expect(read.firstDivergence?.evaluation ?? Infinity).toBe(first)
    expect(read.predicted[3]!.decisions).toEqual(predicted)
    expect(real['0 cond']).toMatch(/^F.*S/)
    expect(IMAGE.shape[3]).toBe(3)
    const plain = await cacheWhatIf.run(
      { ...sampling, cache, low: 0, high: 1, points: 2, verify: false, knob: '', whole_numbers: false },
      watching(),
    )
    expect(plain.LATENT.samples.data).toEqual(LATENT.samples.data)
  })

  it('runs the model once when it is not to verify', async () => {
    const { read, reports, text } = await whatIf({ verify: false })
    expect(reports).toHaveLength(1)
    expect(read.real).toBeNull()
    expect(text).not.toMatch(/real run/)
  })

  it('goes steadily from nothing to everything', async () => {
    const { progress } = await whatIf()
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    expect(progress.at(-1)).toBe(1)
  })

  it('says so when the knob does nothing', async () => {
    const { warnings } = await whatIf({ cache: cache.with({ preset: 'official-flux' }), low: 0.1, verify: false })
    expect(warnings.join()).toMatch(/changes nothing/)
  })

  it('names the numbers there are when the knob is not one of them', async () => {
    await expect(whatIf({ knob: 'speed' })).rejects.toThrow(/no number 'speed'; it has threshold, warm_up, probe_depth/)
    expect(cacheWhatIf.validate?.({ low: 2, high: 1 })).toHaveProperty('high')
  })
})

type Tune = Values<typeof tuneCache.inputs>
const tune = async (more: Partial<Tune> = {}) => {
  const watched = watching()
  const given = {
    goal: 'speed-up',
    target: 2,
    low: 0.001,
    high: 1,
    max_runs: 8,
    knob: 'threshold',
    whole_numbers: false,
  } as const
  const result = await tuneCache.run({ ...sampling, ...given, vae: undefined, cache, ...more }, watched)
  return { ...watched, ...result }
}

describe('TuneCache', () => {
  it('finds a setting with the speed-up asked for, in few runs, and gives it as an ordinary configuration', async () => {
    const { CACHE, value, report, reports, text, ui, warnings } = await tune()
    expect(1 / computedShare(report)).toBeGreaterThanOrEqual(2)
    expect(1 / computedShare(report)).toBeLessThan(2.4)
    expect(reports.length).toBeLessThanOrEqual(6)
    expect(CACHE.method).toBe('DiCache')
    expect(CACHE.params).toEqual({ ...cache.params, threshold: value })
    expect(ui?.['heddle_settings']).toEqual([{ input: 'cache', values: { threshold: value } }])
    expect(text.split('\n')).toHaveLength(reports.length + 1)
    expect(warnings).toEqual([])
    const again = await tune({ cache: CACHE, low: value * 0.999, high: value * 1.001, max_runs: 1 })
    expect(again.LATENT.samples.data.length).toBe(2 * 4 * 4)
  })

  it('finds the fastest setting that keeps a PSNR, and really keeps it', async () => {
    const target = 60
    const { value, LATENT, report } = await tune({ goal: 'PSNR', target, vae, max_runs: 12 })
    const pictureOf = async (one: Tensor) => vae.decode(one)
    const full = await cacheWhatIf.run(
      { ...sampling, cache, low: 0, high: 1, points: 2, verify: false, knob: '', whole_numbers: false },
      watching(),
    )
    const kept = psnr(await pictureOf(LATENT.samples), await pictureOf(full.LATENT.samples))
    expect(kept).toBeGreaterThanOrEqual(target)
    expect(computedShare(report)).toBeLessThan(1)
    const faster = await tune({ goal: 'PSNR', target, vae, low: value * 1.5, high: value * 1.6, max_runs: 2 })
    expect(faster.warnings.join()).toMatch(/meets the target|nearest/)
  })

  it('says when nothing in the range meets the target, and gives what comes nearest', async () => {
    const { warnings, value, text } = await tune({ target: 50 })
    expect(warnings.join()).toMatch(/no threshold from 0.001 to 1/)
    expect(text).toMatch(/comes nearest to the target of 50\.00x/)
    expect(value).toBeGreaterThan(0.1)
  })

  it('turns a counting knob whose larger values are slower', async () => {
    const { value, report } = await tune({
      knob: 'probe_depth',
      whole_numbers: true,
      low: 1,
      high: 5,
      target: 1.6,
      cache: cache.with({ threshold: 0.3 }),
    })
    expect(Number.isInteger(value)).toBe(true)
    expect(1 / computedShare(report)).toBeGreaterThanOrEqual(1.6)
    expect(value).toBeGreaterThan(1)
  })

  it('refuses to compare pictures without a VAE, before anything runs', async () => {
    const runs = (model.transformer as ReturnType<typeof fakeTransformer>).runs.length
    await expect(tune({ goal: 'SSIM', target: 0.9 })).rejects.toThrow(/vae/)
    expect((model.transformer as ReturnType<typeof fakeTransformer>).runs.length).toBe(runs)
  })
})

describe('search', () => {
  const options = (more: Partial<Search>): Search => ({
    ...{ slow: 0, fast: 10, first: 5, target: 3, tolerance: 0.01, maxRuns: 40, round: (value: number) => value },
    grows: 'with speed',
    ...more,
  })
  const on = async (s: Search, f: (value: number) => number) => {
    const tried: number[] = []
    const found = await search(s, (value) => {
      tried.push(value)
      return Promise.resolve({ value, score: f(value) })
    })
    return { ...found, tried }
  }

  it('finds where a rising or falling score crosses the target, from either end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.5, max: 9.5, noNaN: true }),
        fc.boolean(),
        fc.boolean(),
        async (crossing, rising, reversed) => {
          const sign = rising !== reversed ? 1 : -1
          const score = (value: number) => 3 + sign * (value - crossing)
          const ends = reversed ? { slow: 10, fast: 0 } : { slow: 0, fast: 10 }
          const { best, met } = await on(options({ ...ends, grows: rising ? 'with speed' : 'against speed' }), score)
          expect(met).toBe(true)
          expect(Math.abs(best.value - crossing)).toBeLessThan(0.12)
          expect(best.score).toBeGreaterThanOrEqual(3)
        },
      ),
    )
  })

  it('asks the end of the range at once whether the target can be met at all', async () => {
    const { met, tried, best } = await on(options({ target: 30 }), (value) => value)
    expect(met).toBe(false)
    expect(tried).toEqual([5, 10])
    expect(best.value).toBe(10)
  })

  it('never tries a value twice, nor more often than allowed', async () => {
    const { tried } = await on(options({ maxRuns: 4, tolerance: 0 }), (value) => Math.sqrt(value))
    expect(new Set(tried).size).toBe(tried.length)
    expect(tried.length).toBe(4)
    const whole = await on(options({ round: Math.round, tolerance: 0, target: 6.5 }), (value) => value)
    expect(whole.best.value).toBe(7)
    expect(whole.tried.length).toBeLessThan(6)
  })

  it('follows a guess that lies between, and halves where it does not', async () => {
    const { tried } = await on(options({ guess: () => Promise.resolve(3.005), first: 2 }), (value) => value)
    expect(tried).toEqual([2, 3.005])
    const { best } = await on(options({ guess: () => Promise.resolve(99) }), (value) => value)
    expect(best.value).toBeCloseTo(3, 0)
  })

  it('tries one of several values that are expected to be the same run', async () => {
    const steps = (value: number) => Math.floor(value / 4)
    const alike = (a: number, b: number) => Promise.resolve(steps(a) === steps(b))
    const { tried, best, met } = await on(options({ target: 1, tolerance: 0, fast: 16, first: 15, alike }), steps)
    expect(new Set(tried.map(steps)).size).toBe(tried.length)
    expect([met, steps(best.value)]).toEqual([true, 1])
  })

  it('takes pictures that are identical for met', async () => {
    const { met } = await on(options({ grows: 'against speed' }), () => Infinity)
    expect(met).toBe(true)
  })
})

describe('knobs', () => {
  it('are found by name, the threshold unless told', () => {
    expect(knobOf(cache, ' ')).toMatchObject({ name: 'threshold', value: 0.15 })
    expect(knobOf(cache, 'max_gain').at(2).params['max_gain']).toBe(2)
    const longer = { ...cache, params: { reuse_threshold: 0.2, start: 0 } }
    expect(knobOf(longer, 'threshold')).toMatchObject({ name: 'reuse_threshold', value: 0.2 })
    expect(() => cache.with({ thresh: 1 })).toThrow(/DiCache has no 'thresh'; it has .*threshold/)
    expect(() => cache.with({ threshold: 'much' })).toThrow(/expected a number, received a string/)
  })
  it('are spread over a range without repeats', () => {
    expect(valuesBetween(0, 1, 3, false)).toEqual([0, 0.5, 1])
    expect(valuesBetween(1, 4, 10, true)).toEqual([1, 2, 3, 4])
  })
  it('leave the configuration they came from as it was', () => {
    const before: CacheConfiguration['params'] = { ...cache.params }
    cache.with({ threshold: 9 })
    expect(cache.params).toEqual(before)
  })
})
