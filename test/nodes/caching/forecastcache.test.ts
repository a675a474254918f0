/** ForecastCache: its forecasts and corrections against straight lines, what it does under other samplers, and what it refuses. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { samplers } from '../../../diffusion/registry.ts'
import { meanAbsDifference } from '../../../diffusion/tensor.ts'
import node, { type ForecastCacheParams } from '../../../nodes/caching/forecastcache.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import { fakeConditioning, fakeTransformer } from '../../fixtures/fake-model.ts'
import { decisions, untimed } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { at, expectNear, knobs, letters, MASK, run, STEPS } from './forecasting.ts'
import { knobs as dicacheKnobs } from './scripted.ts'
import { eulerLoop, minus, plus, sigmasOf, straight, times, type Numbers } from './straight.ts'

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
