/** ForecastCache: its forecasts and corrections against straight lines, its kinship with multistep solvers, and what it refuses. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure, type CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { formatSteps, everyNth } from '../../../diffusion/caching/masks.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import { concatRows, meanAbsDifference, row, type Tensor } from '../../../diffusion/tensor.ts'
import node, { forecastCache, type ForecastCacheParams } from '../../../nodes/caching/forecastcache.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import { FAKE_LATENT, fakeConditioning, fakeTransformer } from '../../fixtures/fake-model.ts'
import { decisions, runFake, untimed, type FakeRunOptions } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { playLatents } from './latents.ts'
import { knobs as dicacheKnobs } from './scripted.ts'
import { eulerLoop, minus, plus, sigmasOf, straight, times, type Numbers } from './straight.ts'

const knobs: ForecastCacheParams = {
  when: 'mask',
  enabled: true,
  tau: 0.018,
  mask: 'list',
  interval: 3,
  count: 4,
  steps: '0,1,2,4,7,11,16,20',
  share: 0.33,
  calibration: '',
  decides: '',
  forecast: 1,
  forecast_axis: 'sigma',
  forecast_reach: 0.5,
  corrector: 'off',
  uncond_every: 1,
  force_last: false,
  start: 0,
  end: 1,
}
const at = (settings: Partial<ForecastCacheParams> = {}, decides: CacheConfiguration | null = null) =>
  configure(forecastCache(decides), { ...knobs, ...settings })
const STEPS = 24
const MASK = [0, 1, 2, 4, 7, 11, 16, 20]
const run = (cache: CacheConfiguration | null, options: FakeRunOptions = {}) =>
  runFake({ cache, steps: STEPS, guidance: 1, ...options })
const letters = (mask: readonly number[], steps = STEPS): string =>
  Array.from({ length: steps }, (_, k) => (mask.includes(k) ? 'C' : '.')).join('')
const expectNear = ({ data }: Tensor, expected: Numbers, digits = 4): void =>
  data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, digits))

/** The rule as the page tells it, in straight lines over one branch: shifts of x instead of folded predictions. */
async function told(mask: readonly number[], { cap = 0.5, corrects = false } = {}): Promise<Numbers> {
  const [model, sigmas] = [await straight(), sigmasOf(STEPS)]
  const anchors: { sigma: number; v: Numbers }[] = []
  let skipped: { j: number; guess: Numbers }[] = []
  const shift = (k: number, v: Numbers): Numbers => {
    const points = [{ sigma: sigmas[k]!, v }, ...anchors.slice(0, 2)]
    return skipped.reduce<Numbers>(
      (sum, { j, guess }) => {
        const s = sigmas[j]!
        const truth = points.reduce<Numbers>(
          (all, p) => {
            const weight = points.reduce((w, q) => (q === p ? w : (w * (s - q.sigma)) / (p.sigma - q.sigma)), 1)
            return plus(all, times(weight, p.v))
          },
          times(0, v),
        )
        return plus(sum, times(sigmas[j + 1]! - s, minus(truth, guess)))
      },
      times(0, v),
    )
  }
  return eulerLoop(STEPS, 1n, async (x, sigma, k) => {
    const [a, b] = anchors
    if (!mask.includes(k)) {
      const r = b ? Math.min((a!.sigma - sigma) / (b.sigma - a!.sigma), cap) : 0
      const guess = b ? plus(a!.v, times(r, minus(a!.v, b.v))) : a!.v
      skipped.push({ j: k, guess })
      return guess
    }
    const v = await model.predict(x, sigma)
    const moved = corrects && a ? shift(k, v) : times(0, v)
    anchors.unshift({ sigma, v })
    skipped = []
    // x is moved, then stepped with v: as one velocity.
    return plus(v, times(1 / (sigmas[k + 1]! - sigma), moved))
  })
}

describe('against the rule told in straight lines', () => {
  it.each([
    ['capped forecast', {}, {}],
    ['cap 0.3', { forecast_reach: 0.3 }, { cap: 0.3 }],
    ['no cap', { forecast_reach: 0 }, { cap: Infinity }],
    ['reuse', { forecast: 0 }, { cap: 0 }],
    ['capped forecast and corrector', { corrector: 'on' }, { corrects: true }],
    ['reuse and corrector', { forecast: 0, corrector: 'on' }, { cap: 0, corrects: true }],
  ] as const)('%s', async (_, settings, rule) => {
    const found = await run(at(settings))
    expect(decisions(found)).toBe(letters(MASK))
    expectNear(found.samples, await told(MASK, rule))
  })

  it('forecasts and corrects the guided velocity: branches by themselves come to the same', async () => {
    // Of equal branches any guidance gives the one branch's path.
    const same = { positive: [fakeConditioning(1)], negative: [fakeConditioning(1)] }
    const guided = await run(at({ corrector: 'on' }), { ...same, guidance: 4 })
    expectNear(guided.samples, await told(MASK, { corrects: true }))
    const other = await run(at({ corrector: 'on' }), { guidance: 4 })
    expect(meanAbsDifference(other.samples, guided.samples)).toBeGreaterThan(1e-3)
  })
})

describe('every step', () => {
  it.each([
    ['a list of all', { steps: '0-23' }],
    ['every first', { mask: 'interval', interval: 1 }],
    ['as many as there are', { mask: 'evenly', count: 24 }],
    ['a controller that allows nothing', { when: 'controller', tau: 1e-30 }],
  ] as const)('%s: the uncached run, bit for bit, corrector and all', async (_, settings) => {
    const plain = await run(null, { guidance: 3, batch: 2 })
    const cached = await run(at({ ...settings, corrector: 'on' }), { guidance: 3, batch: 2 })
    expect(cached.samples.data).toEqual(plain.samples.data)
  })
})

/** A mask of every `n`-th of 6 n steps, and the levels that it computes at. */
function coarse(n: number) {
  const steps = 6 * n
  const fine = Array.from({ length: steps + 1 }, (_, i) => Math.fround(1 - i / steps))
  const mask = everyNth(steps, n)
  return { steps, fine, list: formatSteps(mask), levels: [...mask.map((k) => fine[k]!), 0] }
}

describe('kin of multistep solvers', () => {
  const on = (sigmas: readonly number[], samplerName: string, cache: CacheConfiguration | null = null) =>
    run(cache, { sigmas, sampler: samplers.get(samplerName)! })

  it('the velocity held is Euler on the computed steps', async () => {
    const uneven = [1, 0.95, 0.9, 0.8, 0.75, 0.6, 0.5, 0.3, 0.2, 0]
    const [held, euler] = [
      await on(uneven, 'euler', at({ steps: '0,1,3,6', forecast: 0 })),
      await on([1, 0.95, 0.8, 0.5, 0], 'euler'),
    ]
    expect(meanAbsDifference(held.samples, euler.samples)).toBeLessThan(1e-6)
  })

  it('the uncapped line is AB2 there, up to summing the line over n skipped steps instead of integrating it: 1 / n apart', async () => {
    const apart = async (n: number) => {
      const { fine, levels, list } = coarse(n)
      const cache = at({ steps: list, forecast_reach: 0 })
      const [line, ab2] = [await on(fine, 'euler', cache), await on(levels, 'ab2')]
      return meanAbsDifference(line.samples, ab2.samples)
    }
    const [some, twice, many] = [await apart(8), await apart(16), await apart(128)]
    expect(some / twice).toBeGreaterThan(1.7)
    expect(some / twice).toBeLessThan(2.3)
    expect(many).toBeLessThan(some / 10)
  })

  it('is AB2 with that sum in the place of the integral, exactly', async () => {
    const { steps, fine, list, levels } = coarse(5)
    const line = await on(fine, 'euler', at({ steps: list, forecast_reach: 0 }))
    const model = await straight()
    const before: { sigma: number; v: Numbers }[] = []
    const xs: Numbers[] = []
    await eulerLoop(1, 1n, (x) => Promise.resolve((xs.push(x), x)))
    let x = xs[0]!
    for (let i = 0; i < 6; i++) {
      const [sigma, next] = [levels[i]!, levels[i + 1]!]
      const v = await model.predict(x, sigma)
      x = plus(x, times(next - sigma, v))
      const b = before.at(-1)
      // sum over the fine steps of (sigma_j - sigma) dsigma; the integral would be (next - sigma)^2 / 2, 5 / 4 of it.
      const sum = ((next - sigma) ** 2 / 2) * (1 - 5 / steps / (sigma - next) / 5)
      if (b) x = plus(x, times(sum / (sigma - b.sigma), minus(v, b.v)))
      before.push({ sigma, v })
    }
    expectNear(line.samples, x, 5)
  })
})

describe('the controller', () => {
  const controller = at({ when: 'controller', tau: 0.3, corrector: 'on' })

  it('computes the first two steps, then less with a higher tau', async () => {
    const count = (letters: string) => letters.split('C').length - 1
    const [low, high] = [
      decisions(await run(at({ when: 'controller', tau: 0.05 }))),
      decisions(await run(at({ when: 'controller', tau: 1 }))),
    ]
    expect(low.startsWith('CC')).toBe(true)
    expect(count(high)).toBeGreaterThan(1)
    expect(count(high)).toBeLessThan(count(low))
  })

  it('decides for a sample as it would without the others of its batch', async () => {
    const rows = [1n, 2n, 3n].map((seed) => normalNoise(seed, [1, ...FAKE_LATENT]))
    const batch = await run(controller, { batch: 3, guidance: 3, noise: concatRows(rows) })
    const skipped = rows.map((_, sample) => decisions(batch, sample))
    for (const [sample, noise] of rows.entries()) {
      const alone = await run(controller, { guidance: 3, noise })
      expect(skipped[sample]).toBe(decisions(alone))
      expect(row(batch.samples, sample).data).toEqual(alone.samples.data)
    }
    expect(new Set(skipped).size).toBeGreaterThan(1)
  })

  it('measures the guided forecast: guidance moves its decisions, and both branches follow one', async () => {
    const weak = await run(controller, { guidance: 1.01 })
    const strong = await run(controller, { guidance: 12 })
    expect(decisions(strong)).not.toBe(decisions(weak))
    expect(decisions(strong, 0, 'uncond')).toBe(decisions(strong))
  })
})

describe("the controller's error", () => {
  const played = async (cond: Numbers, uncond: Numbers) => {
    const still = cond.map(() => 0)
    return (await playLatents(at({ when: 'controller', tau: 0.2 }), still, { cond, uncond })).letters()
  }
  const [line, bent] = [Array.from({ length: 12 }, (_, k) => k), Array.from({ length: 12 }, (_, k) => k ** 3)]

  it('is that of the guided velocity: a branch that cannot be forecast is enough, two that cancel are none', async () => {
    const skips = (letters: string) => letters.split('S').length - 1
    const [neither, one, other] = [await played(line, line), await played(line, bent), await played(bent, line)]
    expect(skips(one)).toBeLessThan(skips(neither))
    expect(skips(other)).toBeLessThan(skips(neither))
    // Guidance 3: uncond + 3 (cond - uncond) is a line where uncond bends 3 / 2 as much as cond.
    expect(
      await played(
        bent,
        bent.map((value, k) => 1.5 * value - k / 2),
      ),
    ).toBe(neither)
  })
})

describe("another method's decisions", () => {
  const probe = configure(dicache, { ...dicacheKnobs, threshold: 0.05, decide: 'together' })

  it('are followed step by step, forecasts taking the place of its estimates', async () => {
    const options = { guidance: 3, steps: 24 }
    const [own, followed] = [
      await run(probe, options),
      await run(at({ when: 'drift', decides: 'DiCache' }, probe), options),
    ]
    expect(decisions(own)).toContain('.')
    // The first skip falls where the probe's does; from then on the latents differ.
    expect(decisions(followed).indexOf('.')).toBe(decisions(own).indexOf('.'))
    expect(followed.samples.data).not.toEqual(own.samples.data)
    const skip = followed.report.rows.find(({ decision }) => decision === 'skipped')
    expect(skip).toMatchObject({ blocks: 1, drift: expect.any(Number) as unknown })
  })

  it('are refused where no method is wired, or the model cannot serve it', async () => {
    await expect(run(at({ when: 'drift' }))).rejects.toThrow(/decides.*wired/)
    const transformer = fakeTransformer({ cuts: [] })
    await expect(run(at({ when: 'drift' }, probe), { transformer })).rejects.toThrow(/cut/)
  })
})

describe('the unconditional branch', () => {
  it('is computed at every so many of the computed steps', async () => {
    const found = await run(at({ mask: 'interval', interval: 2, uncond_every: 2 }), { guidance: 3, steps: 12 })
    expect(decisions(found)).toBe('C.C.C.C.C.C.')
    expect(decisions(found, 0, 'uncond')).toBe('C...C...C...')
  })
})

describe('other samplers', () => {
  const others = [...samplers.keys()].filter((name) => name !== 'euler' && name !== 'ddim')

  it.each(others)('%s: forecasts yes, the corrector refused when on and left out when auto', async (samplerName) => {
    const options = { samplerName, steps: 12 }
    await expect(run(at({ corrector: 'on' }), options)).rejects.toThrow(new RegExp(`'${samplerName}'.*euler`))
    const [auto, off] = [
      await run(at({ mask: 'interval', interval: 2, corrector: 'auto' }), options),
      await run(at({ mask: 'interval', interval: 2 }), options),
    ]
    expect(auto.samples.data).toEqual(off.samples.data)
    expect(decisions(auto)).toContain('.')
    expect(auto.samples.data.every(Number.isFinite)).toBe(true)
  })

  it.each(['heun', 'dpmpp_2m', 'uni_pc_bh2', 'ab2', 'lms'])(
    '%s: a forecast is nearer than holding',
    async (samplerName) => {
      const apart = async (forecast: number) => {
        const cache = at({ mask: 'interval', interval: 2, forecast })
        const [cached, plain] = [await run(cache, { samplerName }), await run(null, { samplerName })]
        return meanAbsDifference(cached.samples, plain.samples)
      }
      expect(await apart(1)).toBeLessThan(await apart(0))
    },
  )

  it('takes levels that rise, and samplers that evaluate at a last level above 0', async () => {
    const rising = [0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    const [every, some] = [
      { mask: 'interval', interval: 1 },
      { mask: 'interval', interval: 2 },
    ] as const
    const up = (settings: Partial<ForecastCacheParams>) => run(at({ ...settings, corrector: 'on' }), { sigmas: rising })
    const plain = await run(null, { sigmas: rising })
    expect((await up(every)).samples.data).toEqual(plain.samples.data)
    const held = await run(at({ ...some, forecast: 0 }), { sigmas: rising })
    const apart = (found: Awaited<ReturnType<typeof run>>) => meanAbsDifference(found.samples, plain.samples)
    expect(apart(await up(some))).toBeLessThan(apart(held))
    const controller = at({ when: 'controller', tau: 0.5 })
    const falling = { sigmas: rising.toReversed(), sampler: samplers.get('heun')! }
    for (const found of [await run(controller, { sigmas: rising }), await run(controller, falling)])
      expect(found.samples.data.every(Number.isFinite)).toBe(true)
  })

  it('auto corrects euler where ten steps are computed, not where nine are', async () => {
    for (const [count, corrects] of [
      [9, false],
      [10, true],
    ] as const) {
      const [auto, off] = [
        await run(at({ mask: 'evenly', count, corrector: 'auto' })),
        await run(at({ mask: 'evenly', count })),
      ]
      expect(meanAbsDifference(auto.samples, off.samples) > 0).toBe(corrects)
    }
  })
})

describe('values that are no numbers', () => {
  it('are not carried on: the next step is computed', async () => {
    const transformer = fakeTransformer()
    const own = transformer.run
    let heads = 0
    transformer.run = async (part, ...rest) => {
      const rows = await own(part, ...rest)
      if (part.kind === 'head' && ++heads === 2) rows['prediction']!.data[0] = NaN
      return rows
    }
    const found = await run(at({ steps: '0,3,6' }), { steps: 8, transformer })
    expect(decisions(found).slice(0, 5)).toBe('C..CC')
    expect(found.report.rows[4]!.forced).toBe('no-anchor')
  })
})

describe('the node', () => {
  it('gives its configuration, with the method that decides by name', async () => {
    const probe = configure(dicache, dicacheKnobs)
    const { CACHE } = await node.run({ ...knobs, decides: probe }, context(tmpdir()))
    expect(CACHE).toMatchObject({ method: 'ForecastCache', params: { decides: 'DiCache', when: 'mask' } })
    expect(untimed(await run(CACHE)).length).toBe(STEPS)
  })

  it('says what is wrong with a list, a calibration and a window', () => {
    expect(node.validate?.({ when: 'mask', mask: 'list', steps: '0,x' })).toHaveProperty('steps')
    expect(node.validate?.({ when: 'mask', mask: 'calibrated', calibration: '{' })).toHaveProperty('calibration')
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toHaveProperty('end')
    expect(node.validate?.({ when: 'controller', steps: 'x' })).toBeUndefined()
  })

  it('warns of a tau that was found on other models', () => {
    const warned = (predicts: 'flow' | 'epsilon') => {
      const facts = { sampler: 'euler', model: 'fake', guidance: 1, sigmas: [1, 0.5, 0], predicts }
      return at({ when: 'controller' }).cautions?.(fakeTransformer().facts, facts) ?? []
    }
    expect(warned('flow')).toEqual([])
    expect(warned('epsilon').join()).toContain('flow models')
  })
})
