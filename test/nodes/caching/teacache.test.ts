/** TeaCache against its authors' control flow: their polynomials, hand-computed traces, and an oracle on the fake model. */
import { describe, expect, it } from 'vitest'
import type { TeaCacheCalibration } from '../../../diffusion/caching/calibration.ts'
import { configure, type RunFacts } from '../../../diffusion/caching/contract.ts'
import node, { polynomial, teacache, type TeaCacheParams } from '../../../nodes/caching/teacache.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { playback, skipped, values, type Frame } from './playback.ts'
import { Added, eulerLoop, meanAbs, minus, straight, type Numbers } from './straight.ts'

const knobs: TeaCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.6,
  max_skips: 100,
  warm_up: 0,
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
  table: 'FLUX.1-dev',
  calibration: '',
}
const at = (settings: Partial<TeaCacheParams>) => configure(teacache, { ...knobs, ...settings })

const fit = (coefficients: Numbers, range?: readonly [number, number], signal = 'modulated input'): string =>
  JSON.stringify({
    ...{ method: 'TeaCache', model: 'fake', source: 'a test', signal: signal as 'modulated input' },
    coefficients: [...coefficients],
    ...(range ? { range: [...range] } : {}),
  } satisfies TeaCacheCalibration)
/** The output changes as much as the signal. */
const same = fit([1, 0])

const near = (...numbers: number[]): unknown[] => numbers.map((value) => expect.closeTo(value, 6))
/** Signals that change by these shares from one evaluation to the next; one more frame than changes. */
const changing = (...changes: number[]): Frame[] => {
  let signal = 1000
  return [{ signal: [signal] }, ...changes.map((change) => ({ signal: [(signal *= 1 + change)] }))]
}
const steady = (change: number, count: number) => changing(...Array<number>(count - 1).fill(change))
const run = (model: string): RunFacts => ({ model, sampler: 'euler', guidance: 1, sigmas: [1, 0.5, 0] })
const facts = {
  ...{ family: 'fake', depth: 5, cuts: new Set([0, 5]), modules: new Set<string>() },
  taps: new Set(['modulated', 'temb']),
}

describe("the authors' polynomials", () => {
  const FLUX = [498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230861]
  const WAN_14B = [-5784.54975374, 5449.50911966, -1811.16591783, 256.27178429, -13.02252404]
  it.each([
    [FLUX, 0, 0.264230861],
    [FLUX, 0.02, 0.207978287],
    [FLUX, 0.05, 0.180502625],
    [FLUX, 0.1, 0.206847376],
    [FLUX, 0.2, 0.261995181],
    [[733.226126, -401.131952, 67.5869174, -3.149878, 0.0961237896], 0.05, 0.062038352],
    [[2396.76752, -1311.10545, 201.331979, -8.29855975, 0.137887774], 0.2, -0.122560584],
    [WAN_14B, 0.05, -4.091814416],
  ])('%j at %d is %d', (coefficients, x, value) => expect(polynomial(coefficients, x)).toBeCloseTo(value, 8))

  it.each([
    [0.05, [1, 2, 3, 5, 6, 7]],
    [0.1, [1, 2, 4, 5, 7, 8]],
  ])('official, FLUX.1-dev, ten evaluations that change by %d each', async (change, expected) => {
    const { cond } = await playback(at({ preset: 'official' }), steady(change, 10))
    expect(skipped(cond)).toEqual(expected)
  })

  it('official: the sum goes on over skips and begins again at a computation', async () => {
    const { cond } = await playback(at({ preset: 'official' }), steady(0.05, 10))
    expect(cond.slice(1, 9).map(({ trace }) => trace.accumulated)).toEqual(
      near(...[1, 2, 3, 4, 1, 2, 3, 4].map((count) => count * 0.180502625)),
    )
  })

  it('a polynomial below zero: official skips for ever, custom computes', async () => {
    const settings = { table: 'WAN2.1-T2V-14B', threshold: 0.2 }
    const official = await playback(at({ ...settings, preset: 'official' }), steady(0.05, 10))
    expect(skipped(official.cond)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(official.cond[8]!.trace.accumulated).toBeCloseTo(-32.734515, 4)
    const custom = await playback(at(settings), steady(0.05, 10))
    expect(skipped(custom.cond)).toEqual([])
    expect(custom.cond[4]!.trace.forced).toBe('out of the fit')
  })

  it('official: a script that retains the first five and spares no last', async () => {
    const cache = at({ preset: 'official', table: 'WAN2.1-T2V-1.3B (retention)' })
    expect(cache.needs(facts).taps).toEqual(['projected temb'])
    expect(() => cache.bind(facts)).toThrow(/'projected temb'/)
    const lumina = await playback(at({ preset: 'official', table: 'HunyuanVideo' }), steady(0.05, 6))
    expect(lumina.cond.map(({ trace }) => trace.forced)).toEqual([
      'first',
      ...Array<undefined>(4).fill(undefined),
      'last',
    ])
    const hidream = await playback(at({ preset: 'official', table: 'HiDream-I1-Full' }), steady(0, 20))
    expect(hidream.cond.flatMap(({ trace }, i) => (trace.forced === undefined ? [] : [i]))).toEqual([0, 1])
  })

  it('paper: the modulated input alone; the first evaluation is forced, the last is not', async () => {
    const { cond } = await playback(at({ preset: 'paper', table: 'Open-Sora-1.2' }), steady(0, 6))
    // 0.048442624 each, below 0.1 for two.
    expect(skipped(cond)).toEqual([1, 2, 4, 5])
    expect(() => at({ preset: 'paper', table: 'WAN2.1-T2V-1.3B' }).bind(facts)).toThrow(
      /modulated input.*time embedding/,
    )
  })
})

describe('the control flow', () => {
  const own = (settings: Partial<TeaCacheParams> = {}) => at({ calibration: same, threshold: 0.25, ...settings })

  it('compares each signal with the evaluation before, computed or skipped, relative to that one', async () => {
    const frames = [100, 110, 121, 100].map((value): Frame => ({ signal: [value] }))
    const { cond } = await playback(own(), frames)
    expect(cond.slice(1).map(({ trace }) => trace.drift)).toEqual(near(0.1, 0.1, 21 / 121))
    expect(skipped(cond)).toEqual([1, 2])
  })

  it('computes when the sum equals the threshold', async () => {
    const frames = [64, 72, 81].map((value): Frame => ({ signal: [value] }))
    expect(skipped((await playback(own(), frames)).cond)).toEqual([1])
    expect(skipped((await playback(own({ threshold: 0.2501 }), frames)).cond)).toEqual([1, 2])
  })

  it('adds the last computed residual to the tokens of now', async () => {
    const frames = changing(0.1, 0.1, 0.1, 0.1).map((frame, i) => ({ ...frame, x: [i], y: [10 * (i + 1)] }))
    const { cond } = await playback(own(), frames)
    expect(skipped(cond)).toEqual([1, 2, 4])
    expect(values(cond)).toEqual([10, 11, 12, 40, 41])
  })

  it('a forced evaluation clears the sum', async () => {
    const { cond } = await playback(own({ warm_up: 0.5 }), steady(0.1, 6))
    expect(cond[2]!.trace.forced).toBe('warm-up')
    expect(cond[3]!.trace.accumulated).toBeCloseTo(0.1, 6)
  })

  it('at most max_skips in a row', async () => {
    expect(skipped((await playback(own({ max_skips: 2 }), steady(0.001, 8))).cond)).toEqual([1, 2, 4, 5, 7])
  })

  it('force_last computes the last', async () => {
    expect(skipped((await playback(own({ force_last: true }), steady(0.001, 4))).cond)).toEqual([1, 2])
  })

  it('above the fit it computes, below it takes the lower end', async () => {
    const settings = { calibration: fit([1, 0], [0.01, 0.05]), threshold: 1 }
    const { cond } = await playback(at(settings), changing(0.02, 0.001, 0.06, 0.02))
    expect(cond.slice(1).map(({ trace }) => trace.drift)).toEqual([...near(0.02, 0.01), undefined, ...near(0.02)])
    expect(cond[3]!.trace.forced).toBe('out of the fit')
  })

  it('each branch has its own signal before, and one that sat an evaluation out computes', async () => {
    const { cond, uncond } = await playback(own(), steady(0.1, 5), {
      branches: ['cond', 'uncond'],
      absent: [[2, 'uncond']],
    })
    expect(skipped(cond)).toEqual([1, 2, 4])
    expect(uncond.map(({ trace }) => trace.forced)).toEqual(['first', undefined, 'no-anchor', undefined])
  })

  it('signals that are no numbers or all zero compute; nothing is compared with them', async () => {
    const signals = [[5], [NaN], [5], [5], [0], [5]].map((signal): Frame => ({ signal }))
    const { cond } = await playback(own({ threshold: 10 }), signals)
    expect(cond.map(({ trace }) => trace.forced)).toEqual([
      'first',
      'non-finite',
      'no-anchor',
      'out of the fit',
      undefined,
      'non-finite',
    ])
  })

  it('a residual that is no number is not reused', async () => {
    const frames = steady(0.01, 3).map((frame, i) => ({ ...frame, y: i === 0 ? [NaN] : [7] }))
    const { cond } = await playback(own(), frames)
    expect(cond.map(({ trace }) => trace.forced)).toEqual(['first', 'no-anchor', undefined])
  })
})

describe('which calibration', () => {
  it('the signal is that of the calibration; a model without it is refused', () => {
    const embedding = at({ calibration: fit([1, 0], undefined, 'time embedding') })
    expect(embedding.needs(facts).taps).toEqual(['temb'])
    expect(at({}).needs(facts).taps).toEqual(['modulated'])
    expect(() => at({}).bind({ ...facts, taps: new Set() })).toThrow(/'modulated'/)
    expect(() => at({ enabled: false }).bind({ ...facts, taps: new Set() })).not.toThrow()
  })

  it("auto refuses a model without a table, and another model's calibration is refused", () => {
    expect(() => at({ table: 'auto' }).bind(facts, run('stranger'))).toThrow(/CalibrateTeaCache/)
    expect(() => at({ calibration: same }).bind(facts, run('other'))).toThrow(/belongs to 'fake'/)
    expect(node.validate?.({ calibration: '[]' })).toEqual({
      calibration: expect.stringContaining('TeaCache') as unknown,
    })
  })
})

/** The method in straight lines over one branch; the output is expected to change by half of what the signal does. */
async function oracle(steps: number, threshold: number, order: 0 | 1) {
  const model = await straight()
  let decided = ''
  let before: Numbers = []
  let sum = 0
  const added = new Added(order)
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await model.embed(x, sigma)
    const time = input.rows['time']!.data
    const signal = input.image.map((value, i) => value * (1 + time[i % time.length]!))
    if (k > 0) sum += 0.5 * (meanAbs(minus(signal, before)) / meanAbs(before))
    before = signal
    if (k > 0 && sum < threshold) {
      decided += '.'
      return model.head({ ...input, image: added.to(input.image, k) })
    }
    decided += 'C'
    sum = 0
    const output = await model.blocks(input, 0, 8)
    added.learn(k, input.image, output.image)
    return model.head(output)
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([
    [0.1, 0],
    [0.25, 0],
    [0.1, 1],
  ] as const)('threshold %d, order %i', async (threshold, forecast) => {
    const expected = await oracle(24, threshold, forecast)
    const cache = at({ threshold, forecast, calibration: fit([0.5, 0]) })
    const result = await runFake({ cache, steps: 24, guidance: 1 })
    expect(decisions(result)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^C.*\..*C/)
    result.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 4))
  })
})
