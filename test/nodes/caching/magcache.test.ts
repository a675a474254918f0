/** MagCache against its authors' control flow: the schedules of their tables, hand-computed traces, and an oracle on the fake model. */
import { describe, expect, it } from 'vitest'
import { roundHalfEven, type MagCacheCalibration } from '../../../diffusion/caching/calibration.ts'
import { configure, UnmetNeedsError, type RunFacts } from '../../../diffusion/caching/contract.ts'
import node, { magcache, type MagCacheParams } from '../../../nodes/caching/magcache.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { playback, skipped, values, type Frame } from './playback.ts'
import { Added, eulerLoop, sigmasOf, straight, type Numbers } from './straight.ts'

const knobs: MagCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.24,
  max_skips: 5,
  warm_up: 0.1,
  ratios: 'nearest',
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
  table: 'FLUX.1-dev',
  calibration: '',
}
const at = (settings: Partial<MagCacheParams>) => configure(magcache, { ...knobs, ...settings })

/** A calibration of just these ratios, for evaluations at these noise levels if any. */
const of = (ratios: Numbers, sigmas?: Numbers, uncond?: Numbers): string =>
  JSON.stringify({
    method: 'MagCache',
    model: 'fake',
    source: 'a test',
    ratios: { cond: [...ratios], ...(uncond ? { uncond: [...uncond] } : {}) },
    ...(sigmas
      ? {
          conditions: {
            ...{ sampler: 'euler', scheduler: 'simple', steps: sigmas.length, guidance: 1, runs: 1, latent: [1, 1, 1] },
            sigmas: [...sigmas],
          },
        }
      : {}),
  } satisfies MagCacheCalibration)

const run = (model: string): RunFacts => ({ model, sampler: 'euler', guidance: 1, sigmas: [1, 0.5, 0] })
const still = (count: number): Frame[] => Array.from({ length: count }, () => ({}))

/** '3-5 8' to [3, 4, 5, 8]. */
const listed = (text: string): number[] =>
  text.split(' ').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })

describe("the schedules of the authors' tables", () => {
  it.each<readonly [string, number, Partial<MagCacheParams>, string]>([
    ['FLUX.1-dev', 28, { preset: 'official' }, '3 4 6-8 10 12-16 18-22 24 25 27'],
    ['FLUX.1-dev', 28, {}, '3 4 6-8 10-14 16-20 22-25 27'],
    ['FLUX.1-dev', 14, {}, '1 3-5 7-11 13'],
    ['FLUX.1-dev', 14, { ratios: 'composed' }, '2 4 5 7-11 13'],
    ['FLUX.1-dev', 8, {}, '1 2 4-7'],
    ['FLUX.1-dev', 8, { ratios: 'composed' }, '2 4-6'],
    [
      'WAN2.1-T2V-1.3B',
      50,
      { threshold: 0.12, max_skips: 2, warm_up: 0.2 },
      '10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32 34 35 37 38 40 41 43 45 47',
    ],
    ['WAN2.1-T2V-1.3B', 50, { preset: 'official' }, '10-13 15-18 20-23 25-28 30-33 35-37 39 40 42 43 45 47'],
    ['WAN2.1-T2V-1.3B', 50, { max_skips: 6, warm_up: 0.2 }, '10-15 17-22 24-29 31-35 37-40 42-44 46 48'],
    ['WAN2.1-T2V-14B', 50, { preset: 'official' }, '10-15 17-22 24-29 31-35 37-40 42 43 45 46 48'],
    ['HunyuanVideo-540p', 50, { preset: 'official' }, '10-13 15-17 19-22 24-28 30-33 35-40 42-45 47 49'],
    [
      'HunyuanVideo-540p',
      50,
      { threshold: 0.12, max_skips: 4, warm_up: 0.2 },
      '10 11 13 14 16 17 19-21 23 24 26-28 30-32 34-37 39-42 44 45 47',
    ],
  ])('%s, %i evaluations, %j', async (table, total, settings, expected) => {
    const { cond, uncond } = await playback(at({ table, ...settings }), still(total), { branches: ['cond', 'uncond'] })
    expect(skipped(cond)).toEqual(listed(expected))
    // Where guidance runs the branches apart, their tables differ a little, their schedules do not.
    expect(skipped(uncond)).toEqual(listed(expected))
  })

  it('FLUX.1-dev: the products and sums on the way', async () => {
    const { cond } = await playback(at({}), still(28))
    const near = (value: number): unknown => expect.closeTo(value, 5)
    expect(cond.slice(3, 11).map(({ trace }) => trace.drift)).toEqual(
      [0.07812, 0.145502, 0.190246, 0.03125, 0.071531, 0.096647, 0.130918, 0.02344].map(near),
    )
    expect(cond.slice(3, 11).map(({ trace }) => trace.accumulated)).toEqual(
      [0.07812, 0.223622, 0.413868, 0.03125, 0.102781, 0.199428, 0.330346, 0.02344].map(near),
    )
  })

  it('tables of other lengths are read at the nearest entry, halves going to the even one', () => {
    const places = (total: number) => Array.from({ length: total }, (_, i) => roundHalfEven((i * 27) / (total - 1)))
    expect(places(19)).toEqual(listed('0 2-4 6 8-10 12 14-16 18 20-22 24 26 27'))
    expect(places(7)).toEqual([0, 4, 9, 14, 18, 22, 27])
  })

  it('paper: square roots on WAN2.1-1.3B, at most as many in a row as the paper says, no ban', async () => {
    const { cond } = await playback(at({ preset: 'paper', table: 'WAN2.1-T2V-1.3B' }), still(50))
    expect(cond[10]!.trace.drift).toBeCloseTo(1 - Math.sqrt(0.99511), 9)
    expect(skipped(cond).slice(0, 6)).toEqual([10, 11, 13, 14, 16, 17])
    const flux = await playback(at({ preset: 'paper' }), still(28))
    expect(skipped(flux.cond)).toContain(11)
  })
})

describe('the control flow', () => {
  const doubled = of([1, 2, 2, 2, 2, 2])

  it('adds the last computed residual to the tokens of now, unscaled', async () => {
    const frames: Frame[] = [
      { x: [1], y: [11] },
      { x: [3], y: null },
      { x: [5], y: [25] },
      { x: [7], y: null },
    ]
    const { cond } = await playback(at({ calibration: of([1, 1.1, 1.1, 1.1]), threshold: 0.15, warm_up: 0 }), frames)
    // 0.1, then 0.1 + 0.21 is too much; the sums begin again.
    expect(skipped(cond)).toEqual([1, 3])
    expect(values(cond)).toEqual([11, 13, 25, 27])
  })

  it('the sum may equal the threshold', async () => {
    const calibration = of([1, 1.5, 1, 1])
    const skips = async (threshold: number) =>
      skipped((await playback(at({ calibration, warm_up: 0, threshold }), still(4))).cond)
    expect(await skips(0.5)).toEqual([1, 3])
    expect(await skips(0.499)).toEqual([2, 3])
  })

  it('at most max_skips in a row, and the count begins again', async () => {
    const even = of(Array<number>(9).fill(1))
    for (const [max_skips, expected] of [
      [1, [1, 3, 5, 7]],
      [3, [1, 2, 3, 5, 6, 7]],
    ] as const)
      expect(skipped((await playback(at({ calibration: even, warm_up: 0, max_skips }), still(9))).cond)).toEqual(
        expected,
      )
  })

  it('nothing is summed before the warm-up is over', async () => {
    const { cond } = await playback(at({ calibration: doubled, threshold: 1, warm_up: 0.5 }), still(6))
    expect(cond.map(({ trace }) => trace.forced)).toEqual([
      'first',
      'warm-up',
      'warm-up',
      undefined,
      undefined,
      undefined,
    ])
    expect(cond[3]!.trace.accumulated).toBe(1)
    expect(skipped(cond)).toEqual([3, 5])
  })

  it('force_last computes the last', async () => {
    const even = of([1, 1, 1])
    const settings = { calibration: even, warm_up: 0 }
    expect(skipped((await playback(at({ ...settings, force_last: true }), still(3))).cond)).toEqual([1])
    expect(skipped((await playback(at(settings), still(3))).cond)).toEqual([1, 2])
  })

  it('each branch goes by its own ratios', async () => {
    const calibration = of([1, 1, 1, 1], undefined, [1, 3, 1, 1])
    const { cond, uncond } = await playback(at({ calibration, warm_up: 0 }), still(4), { branches: ['cond', 'uncond'] })
    expect(skipped(cond)).toEqual([1, 2, 3])
    expect(skipped(uncond)).toEqual([2, 3])
  })

  it('a branch that sat an evaluation out computes: the ratio of that step is not in its product', async () => {
    const { cond, uncond } = await playback(at({ calibration: of([1, 1, 1, 1, 1]), warm_up: 0 }), still(5), {
      branches: ['cond', 'uncond'],
      absent: [[2, 'uncond']],
    })
    expect(skipped(cond)).toEqual([1, 2, 3, 4])
    expect(uncond.map(({ trace }) => trace.forced)).toEqual(['first', undefined, 'no-anchor', undefined])
  })

  it('a residual that is no number is not reused', async () => {
    const frames: Frame[] = [{ y: [NaN] }, { y: [5] }, { y: null }]
    const { cond } = await playback(at({ calibration: of([1, 1, 1]), warm_up: 0 }), frames)
    expect(cond.map(({ trace }) => trace.forced)).toEqual(['first', 'no-anchor', undefined])
    expect(values(cond)[2]).toBe(5)
  })

  it('composed goes by noise levels where the calibration has them: half of a step, half of its logarithm', async () => {
    const calibration = of([1, 4, 1], [1, 0.5, 0])
    const frames: Frame[] = [1, 0.75, 0.5, 0.25].map((sigma) => ({ sigma }))
    const { cond } = await playback(at({ calibration, ratios: 'composed', warm_up: 0, threshold: 100 }), frames)
    const drifts = cond.slice(1).map(({ trace }) => trace.drift)
    expect(drifts).toEqual([1, 3, 3].map((drift) => expect.closeTo(drift, 9) as unknown))
  })
})

describe('which table', () => {
  const bound = (settings: Partial<MagCacheParams>, model: string) => () =>
    at({ table: 'auto', ...settings }).bind({ ...playedFacts }, run(model))
  const playedFacts = {
    family: 'fake',
    depth: 5,
    cuts: new Set([0, 5]),
    modules: new Set<string>(),
    taps: new Set<string>(),
  }

  it('auto goes by the name of the model, the longest match first, and refuses strangers', () => {
    for (const name of ['flux1-dev.safetensors', 'FLUX.1-dev', 'wan2.1_t2v_1.3B_fp16.safetensors'])
      expect(bound({}, name)).not.toThrow()
    expect(bound({}, 'stranger.safetensors')).toThrow(UnmetNeedsError)
    expect(bound({}, 'stranger.safetensors')).toThrow(/CalibrateMagCache.*FLUX\.1-dev/)
    expect(bound({ enabled: false }, 'stranger.safetensors')).not.toThrow()
    const flux = configure(magcache, { ...knobs, table: 'auto' })
    expect(flux.cautions?.(playedFacts, run('flux1-dev-kontext_fp8.safetensors'))).toEqual([])
  })

  it("another model's calibration is refused, its table is cautioned against", () => {
    expect(bound({ calibration: of([1, 1]) }, 'other')).toThrow(/belongs to 'fake', the model is 'other'/)
    expect(at({}).cautions?.(playedFacts, run('other'))).toEqual([expect.stringContaining("FLUX.1-dev on 'other'")])
  })

  it('a calibration for another run is cautioned against', () => {
    const cautions = (sigmas: Numbers, sampler: string) =>
      at({ calibration: of([1, 1], sigmas) }).cautions?.(playedFacts, { ...run('fake'), sampler })
    expect(cautions([1, 0.5], 'euler')).toEqual([])
    expect(cautions([1, 0.5], 'heun')).toEqual([expect.stringContaining('sampler euler, now heun')])
    expect(cautions([1, 0.4], 'euler')).toEqual([expect.stringContaining('noise levels')])
  })

  it('text that is no calibration is a fault of the input, with its reasons', () => {
    expect(node.validate?.({ calibration: '{' })).toEqual({ calibration: expect.stringContaining('JSON') as unknown })
    const wrong = JSON.stringify({ method: 'MagCache', model: 'fake', source: '', ratios: { cond: [1, -1] } })
    expect(node.validate?.({ calibration: wrong })).toEqual({
      calibration: expect.stringContaining('ratios') as unknown,
    })
    expect(node.validate?.({ calibration: of([1, 1]), start: 0.2, end: 0.4 })).toBeUndefined()
  })
})

/** The method in straight lines over one branch, with a table as long as the run. */
async function oracle(steps: number, table: Numbers, threshold: number, most: number, order: 0 | 1) {
  const model = await straight()
  let decided = ''
  let [product, error, count] = [1, 0, 0]
  const added = new Added(order)
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await model.embed(x, sigma)
    if (k > 0) {
      product *= table[k]!
      error += Math.abs(1 - product)
      count += 1
    }
    if (k > 0 && error <= threshold && count <= most) {
      decided += '.'
      return model.head({ ...input, image: added.to(input.image, k) })
    }
    ;[product, error, count] = [1, 0, 0]
    decided += 'C'
    const output = await model.blocks(input, 0, 8)
    added.learn(k, input.image, output.image)
    return model.head(output)
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([
    [0.05, 4, 0],
    [0.3, 3, 0],
    [0.1, 2, 1],
  ] as const)('threshold %d, at most %i, order %i', async (threshold, max_skips, forecast) => {
    const table = sigmasOf(24)
      .slice(0, -1)
      .map((sigma, i) => (i === 0 ? 1 : 1 + 0.1 * Math.sin(9 * sigma)))
    const expected = await oracle(24, table, threshold, max_skips, forecast)
    const settings = { threshold, max_skips, forecast, warm_up: 0, calibration: of(table) }
    const result = await runFake({ cache: at(settings), steps: 24, guidance: 1 })
    expect(decisions(result)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^C.*\..*C/)
    result.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 4))
  })
})
