/** The calibrators: what they find on the fake model, against straight-line retellings, and whether the methods take it. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { readAnyCalibration } from '../../../diffusion/caching/calibration.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import { calibrateMagCache, meanNormRatio } from '../../../nodes/caching/calibrate-magcache.ts'
import { calibrateSenCache } from '../../../nodes/caching/calibrate-sencache.ts'
import { calibrateTeaCache } from '../../../nodes/caching/calibrate-teacache.ts'
import { fitPolynomial } from '../../../nodes/caching/calibration/fit.ts'
import type { CalibrationRuns } from '../../../nodes/caching/calibration/runs.ts'
import { loadRegistry } from '../../../server/engine/registry.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { eulerLoop, meanAbs, minus, straight, type Numbers } from './straight.ts'
import { configured, inputsOf } from './subject.ts'

const STEPS = 12
const plan = (own: Partial<CalibrationRuns> & { readonly samplerName?: string } = {}): CalibrationRuns => {
  const { samplerName = 'euler', ...rest } = own
  const model = own.model ?? fakeModel(fakeTransformer())
  return {
    model,
    prompts: [fakeConditioning(1)],
    negative: [fakeConditioning(2)],
    guidance: 1,
    latent: zeros([1, ...FAKE_LATENT]),
    sigmas: runSigmas(schedules.get('simple')!, STEPS, 1, model.parametrisation),
    sampler: samplers.get(samplerName)!,
    scheduler: 'simple',
    steps: STEPS,
    seed: 1n,
    runs: 1,
    signal: new AbortController().signal,
    ...rest,
  }
}
const length = (a: Numbers): number => Math.sqrt(a.reduce((sum, value) => sum + value * value, 0))
const near = (numbers: Numbers): unknown[] => numbers.map((value) => expect.closeTo(value, 4))

describe('MagCache', () => {
  it('the mean over tokens of the growth of their residuals', () => {
    const of = (data: number[]) => ({ data: Float32Array.from(data), shape: [1, 2, 2] })
    expect(meanNormRatio(of([3, 4, 0, 6]), of([0, 1, 2, 0]))).toBe((5 + 3) / 2)
    expect(meanNormRatio(of([3, 4, 1, 1]), of([0, 1, 0, 0]))).toBe(5)
  })

  it('finds what the straight line finds', async () => {
    const model = await straight()
    const expected: number[] = []
    let before: Numbers | null = null
    await eulerLoop(STEPS, 1n, async (x, sigma) => {
      const input = await model.embed(x, sigma)
      const output = await model.blocks(input, 0, 8)
      const residual = minus(output.image, input.image)
      const token = (of: Numbers, i: number) => length(of.slice(6 * i, 6 * i + 6))
      const growth = before && [0, 1, 2, 3].map((i) => token(residual, i) / token(before!, i))
      expected.push(growth ? growth.reduce((a, b) => a + b) / 4 : 1)
      before = residual
      return model.head(output)
    })
    const { ratios, conditions } = await calibrateMagCache(plan())
    expect(ratios).toEqual({ cond: near(expected) })
    expect(conditions).toMatchObject({ sampler: 'euler', steps: STEPS, runs: 1, latent: [...FAKE_LATENT] })
    expect(conditions?.sigmas).toEqual(plan().sigmas.slice(0, -1))
  })

  it('means over prompts, seeds and samples, each branch by itself; the runs are plain runs', async () => {
    const transformer = fakeTransformer()
    const prompts = [fakeConditioning(1), fakeConditioning(3)]
    const model = fakeModel(transformer)
    const both = await calibrateMagCache(
      plan({ model, prompts, guidance: 3, latent: zeros([2, ...FAKE_LATENT]), runs: 2 }),
    )
    // 2 prompts, 2 seeds, 2 samples, 2 branches, all of 8 blocks.
    expect(transformer.blockRows()).toBe(2 * 2 * 2 * 2 * 8 * STEPS)
    expect(both.conditions?.runs).toBe(8)
    expect(both.spread).toBeGreaterThan(0)
    expect(both.ratios.uncond).toHaveLength(STEPS)
    expect(both.ratios.uncond).not.toEqual(both.ratios.cond)
    const one = async (prompt: number, seed: bigint) =>
      (await calibrateMagCache(plan({ prompts: [fakeConditioning(prompt)], seed }))).ratios.cond
    const [a, b] = [await one(1, 1n), await one(3, 2n)]
    const mixed = await calibrateMagCache(plan({ prompts }))
    expect(mixed.ratios.cond).toEqual(near(a.map((value, i) => (value + b[i]!) / 2)))
  })
})

describe('TeaCache', () => {
  it('a fit finds the polynomial that the points lie on', () => {
    const xs = [0.01, 0.02, 0.035, 0.05, 0.08, 0.1]
    const exact = (x: number) => 500 * x ** 4 - 280 * x ** 3 + 55 * x ** 2 - 4 * x + 0.26
    const { coefficients, range, r2, rms } = fitPolynomial(xs, xs.map(exact), 4)
    expect([...coefficients]).toEqual([500, -280, 55, -4, 0.26].map((c) => expect.closeTo(c, 4) as unknown))
    expect([range, r2]).toEqual([[0.01, 0.1], expect.closeTo(1, 9)])
    expect(rms).toBeLessThan(1e-9)
  })

  it('a fit tells how good it is, and refuses too few points', () => {
    // Through (0,0), (1,1), (2,0) the best line is the level one at 1/3.
    const { coefficients, r2, rms } = fitPolynomial([0, 1, 2], [0, 1, 0], 1)
    expect([...coefficients]).toEqual([expect.closeTo(0, 9), expect.closeTo(1 / 3, 9)])
    expect([r2, rms]).toEqual([expect.closeTo(0, 9), expect.closeTo(Math.sqrt(2) / 3, 9)])
    expect(() => fitPolynomial([1, 1, 2], [1, 2, 3], 2)).toThrow(/2 different changes are too few/)
  })

  it.each(['modulated input', 'time embedding'] as const)(
    'finds what the straight line finds, for the %s',
    async (kind) => {
      const model = await straight()
      const [xs, ys]: [number[], number[]] = [[], []]
      let [signalBefore, outputBefore]: [Numbers | null, Numbers | null] = [null, null]
      await eulerLoop(STEPS, 1n, async (x, sigma) => {
        const input = await model.embed(x, sigma)
        const time = [...input.rows['time']!.data]
        const signal = kind === 'time embedding' ? time : input.image.map((value, i) => value * (1 + time[i % 6]!))
        const output = await model.head(await model.blocks(input, 0, 8))
        if (signalBefore && outputBefore) {
          xs.push(meanAbs(minus(signal, signalBefore)) / meanAbs(signalBefore))
          ys.push(meanAbs(minus(output, outputBefore)) / meanAbs(outputBefore))
        }
        ;[signalBefore, outputBefore] = [signal, output]
        return output
      })
      const mean = (of: Numbers) => of.reduce((a, b) => a + b) / of.length
      const [mx, my] = [mean(xs), mean(ys)]
      const slope = mean(xs.map((x, i) => (x - mx) * (ys[i]! - my))) / mean(xs.map((x) => (x - mx) ** 2))
      const found = await calibrateTeaCache(plan(), kind, 1)
      expect(found.coefficients).toEqual(near([slope, my - slope * mx]))
      expect(found.range).toEqual(near([Math.min(...xs), Math.max(...xs)]))
      expect(found.fit?.pairs).toBe(STEPS - 1)
    },
  )

  it.each([
    ['modulated input', 8],
    ['time embedding', 8],
    ['time embedding', 24],
  ])('the node tells how good the fit is, and warns of a poor one: %s, %i steps', async (signal, steps) => {
    const given = context(tmpdir())
    const registered = (await loadRegistry()).nodes.get('CalibrateTeaCache')!
    const links = {
      model: fakeModel(fakeTransformer()),
      positive: [fakeConditioning(1)],
      negative: [fakeConditioning(2)],
      latent_image: { samples: zeros([1, ...FAKE_LATENT]) },
    }
    const values = inputsOf(registered, { ...links, signal, order: 1, steps })
    const { calibration, ui } = (await registered.definition.run(values, given)) as {
      readonly calibration: string
      readonly ui: { readonly text: readonly string[] }
    }
    const r2 = Number(/R2 (-?[\d.]+)/.exec(ui.text[0]!)?.[1])
    expect(readAnyCalibration(calibration)).toMatchObject({
      method: 'TeaCache',
      fit: { r2: expect.closeTo(r2, 3) as unknown },
    })
    expect(given.warnings).toEqual(r2 < 0.5 ? [expect.stringContaining('more prompts')] : [])
  })
})

describe('SenCache', () => {
  it('finds what the straight line finds', async () => {
    const model = await straight()
    const [latent, time]: [number[], number[]] = [[], []]
    let before: { x: Numbers; sigma: number; output: Numbers } | null = null
    await eulerLoop(STEPS, 1n, async (x, sigma) => {
      const output = await model.predict(x, sigma)
      if (before) {
        const elsewhere = await model.predict(x, before.sigma)
        latent.push(length(minus(elsewhere, before.output)) / length(minus(x, before.x)))
        const later = await model.predict(before.x, sigma)
        time.push(length(minus(later, before.output)) / (1000 * (before.sigma - sigma)))
      }
      before = { x, sigma, output }
      return output
    })
    const found = await calibrateSenCache(plan())
    expect(found.latent).toEqual(near(latent))
    expect(found.time).toEqual(near(time))
    expect(found.sigmas).toEqual(plan().sigmas.slice(0, STEPS - 1))
  })

  it('looks at the conditional branch alone, three evaluations a step', async () => {
    const transformer = fakeTransformer()
    await calibrateSenCache(plan({ model: fakeModel(transformer), guidance: 3 }))
    expect(transformer.blockRows()).toBe(8 * (2 * STEPS + 2 * (STEPS - 1)))
  })
})

describe('the way from a calibrator into its method', () => {
  it.each([
    ['TeaCache', (own: CalibrationRuns) => calibrateTeaCache(own, 'modulated input', 2)],
    ['MagCache', calibrateMagCache],
    ['SenCache', calibrateSenCache],
  ] as const)('%s: text that is read back, skips, and cautions where the run is another', async (method, calibrate) => {
    const found = await calibrate(plan())
    const text = JSON.stringify(found)
    expect(readAnyCalibration(text)).toEqual(found)
    const node = (await loadRegistry()).nodes.get(method)!
    const settings = { calibration: text, threshold: 0.6, ...(method === 'SenCache' ? {} : { warm_up: 0 }) }
    const cache = await configured(node, settings)
    const run = await runFake({ cache, guidance: 1, steps: STEPS })
    expect(run.report.rows.some(({ decision }) => decision === 'skipped')).toBe(true)
    expect(run.report.warnings).toEqual([])
    const other = await runFake({ cache, guidance: 3, steps: 20, samplerName: 'heun' })
    expect(other.report.warnings[0]).toMatch(/sampler euler, now heun; guidance 1, now 3; 12 simple steps, now 20/)
  })

  it.each([...samplers.keys()])(
    'sampler %s: every noise level that it evaluates is known, none twice to SenCache',
    async (samplerName) => {
      const mag = await calibrateMagCache(plan({ samplerName }))
      expect(mag.ratios.cond.length).toBe(samplers.get(samplerName)!.evaluations(plan().sigmas))
      const { sigmas, latent, time } = await calibrateSenCache(plan({ samplerName }))
      expect(new Set(sigmas).size).toBe(sigmas.length)
      expect([latent.length, time.length]).toEqual([sigmas.length, sigmas.length])
    },
  )

  it.each(['TeaCache', 'MagCache', 'SenCache'])(
    '%s has a table of the shipped model, fitted at its 30 steps',
    async (method) => {
      const node = (await loadRegistry()).nodes.get(method)!
      const model = { ...fakeModel(fakeTransformer()), name: 'heddle-flux-mini' }
      const cache = await configured(node, { max_skips: 3 })
      const { report } = await runFake({ cache, model, steps: 30 })
      expect(report.warnings.filter((warning) => warning.includes('calibrated'))).toEqual([])
      expect(report.rows.length).toBe(60)
    },
  )

  it('no step, nothing to find', async () => {
    await expect(calibrateMagCache(plan({ sigmas: [] }))).rejects.toThrow(/at least one step/)
  })
})
