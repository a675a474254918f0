/** SenCache against its authors' control flow: hand-computed traces, and an oracle on the fake model. */
import { describe, expect, it } from 'vitest'
import type { SenCacheCalibration } from '../../../diffusion/caching/calibration.ts'
import { configure, type RunFacts } from '../../../diffusion/caching/contract.ts'
import node, { sencache, type SenCacheParams } from '../../../nodes/caching/sencache.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { playback, skipped, values, type Frame } from './playback.ts'
import { eulerLoop, minus, plus, straight, type Numbers } from './straight.ts'

const curves = (sigmas: Numbers, latent: Numbers, time: Numbers): string =>
  JSON.stringify({
    method: 'SenCache',
    model: 'fake',
    source: 'a test',
    ...{ sigmas: [...sigmas], latent: [...latent], time: [...time] },
  } satisfies SenCacheCalibration)
const flat = curves([1, 0], [0.5, 0.5], [0.01, 0.01])

const knobs: SenCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 1,
  early_threshold: 1,
  early: 0,
  max_skips: 3,
  reuse: 'residual',
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
  table: 'auto',
  calibration: flat,
}
const at = (settings: Partial<SenCacheParams>) => configure(sencache, { ...knobs, ...settings })
const run = (model: string): RunFacts => ({ model, sampler: 'euler', guidance: 1, sigmas: [1, 0.5, 0] })

/** The latent walks along its second value, ten timesteps at a time. */
const walk: Frame[] = [4, 4.5, 5, 5.5, 6, 6.5].map((z, i) => ({ latent: [3, z], timestep: 1000 - 10 * i }))
const root = Math.sqrt(2)
const moved = (...sums: number[]): unknown[] => sums.map((sum) => expect.closeTo(sum / root, 6))

describe('the published control flow', () => {
  it('measures from the last computed evaluation, not from the one before', async () => {
    const { cond } = await playback(at({ threshold: 1.5 / root }), walk)
    expect(skipped(cond)).toEqual([1, 2, 3, 5])
    // 0.25 for half a unit of the latent, 0.1 for ten timesteps, summed in one go; the fifth is stopped by the count.
    expect(cond.slice(1).map(({ trace }) => trace.drift)).toEqual(moved(0.35, 0.7, 1.05, 1.4, 0.35))
  })

  it('at most max_skips in a row', async () => {
    const { cond } = await playback(at({ threshold: 1.5 / root, max_skips: 1 }), walk)
    expect(skipped(cond)).toEqual([1, 3, 5])
  })

  it('force_last computes the last, though the count would let it skip', async () => {
    const settings = { threshold: 1.5 / root, max_skips: 100 }
    const short = walk.slice(0, 3)
    expect(skipped((await playback(at(settings), short)).cond)).toEqual([1, 2])
    expect(skipped((await playback(at({ ...settings, force_last: true }), short)).cond)).toEqual([1])
  })

  it('computes once the distance reaches the threshold', async () => {
    expect(skipped((await playback(at({ threshold: 0.7 / root }), walk)).cond)).toEqual([1, 3, 5])
    expect(skipped((await playback(at({ threshold: 0.71 / root }), walk)).cond)).toEqual([1, 2, 4, 5])
  })

  it('takes the sensitivities at the reference, from the nearest noise level', async () => {
    const calibration = curves([1, 0.98, 0.96], [0.5, 2, 0.5], [0.01, 0.01, 0.04])
    const { cond } = await playback(at({ calibration, threshold: 1.2 / root }), walk)
    // From t = 1000: 0.35, 0.7, 1.05; stopped by the count at t = 960, from where 10 steps weigh 0.04 each.
    expect(cond.slice(1).map(({ trace }) => trace.drift)).toEqual(moved(0.35, 0.7, 1.05, 1.4, 0.25 + 0.4))
  })

  it('early evaluations have a threshold of their own; their share is rounded to the even count', async () => {
    const still = Array.from({ length: 10 }, () => walk[0]!)
    const firstSkip = async (branches: readonly ('cond' | 'uncond')[]) =>
      skipped((await playback(at({ early: 0.25, early_threshold: 0 }), still, { branches })).cond)[0]
    // 0.25 x 10 = 2.5 is 2; over both branches in turn 0.25 x 20 = 5 of the calls 0, 2, 4, ...: three.
    expect([await firstSkip(['cond']), await firstSkip(['cond', 'uncond'])]).toEqual([2, 3])
  })

  it('adds the residual of the last computed evaluation to the tokens of now', async () => {
    const frames: Frame[] = walk.map((frame, i) => ({ ...frame, x: [i], y: i === 0 ? [10] : i === 4 ? [50] : null }))
    const { cond } = await playback(at({ threshold: 1.5 / root }), frames)
    expect(values(cond)).toEqual([10, 11, 12, 13, 50, 51])
  })

  it('reuse output gives the prediction again, and runs nothing', async () => {
    const frames: Frame[] = walk.map((frame, i) => ({ ...frame, x: [i], y: i === 0 ? [10] : i === 4 ? [50] : null }))
    const { cond } = await playback(at({ threshold: 1.5 / root, reuse: 'output' }), frames)
    expect(values(cond)).toEqual([10, 10, 10, 10, 50, 50])
    const { report } = await runFake({ cache: at({ threshold: 3, reuse: 'output' }), guidance: 1 })
    expect(report.rows.filter(({ decision }) => decision === 'skipped').map(({ flops }) => flops)).toContain(0)
  })

  it('both branches go together: they share latent, timestep and curves', async () => {
    const { cond, uncond } = await playback(at({ threshold: 1.5 / root }), walk, { branches: ['cond', 'uncond'] })
    expect(skipped(uncond)).toEqual(skipped(cond))
  })

  it('official: 0.005 early, 0.07 later, ten in a row, the last computed', async () => {
    // A timestep weighs 0.01, so 0.8 of them move one value by 0.008 / sqrt(2) = 0.0057 of the root mean square over two.
    const frames = Array.from({ length: 30 }, (_, i): Frame => ({ latent: [0, 0], timestep: 1000 - 0.8 * i }))
    const { cond } = await playback(at({ preset: 'official' }), frames)
    const expected = Array.from({ length: 30 }, (_, i) => i).filter((i) => i > 5 && ![16, 27, 29].includes(i))
    expect(skipped(cond)).toEqual(expected)
  })

  it('paper: 0.01 early, a movement of just 0.1 still skips later, two in a row, outputs reused', async () => {
    const frames = [1000, 990, 990, 990, 990, 990].map((timestep, i): Frame => ({ timestep, x: [i], y: [10 + i] }))
    const { cond } = await playback(at({ preset: 'paper' }), frames)
    expect(skipped(cond)).toEqual([1, 2, 4, 5])
    expect(values(cond)).toEqual([10, 10, 10, 13, 13, 13])
    const early = await playback(at({ preset: 'paper' }), frames, { total: 20 })
    expect(skipped(early.cond)).toEqual([2, 3, 5])
  })
})

describe('what the published codes leave open', () => {
  it('a latent that is no number computes, and so does the next', async () => {
    const frames = walk.map((frame, i) => (i === 2 ? { ...frame, latent: [NaN, 0] } : frame))
    const { cond } = await playback(at({ threshold: 1.5 / root }), frames)
    expect(cond.slice(0, 5).map(({ trace }) => trace.forced)).toEqual([
      'first',
      undefined,
      'non-finite',
      'non-finite',
      undefined,
    ])
  })

  it('a residual that is no number is not reused', async () => {
    const frames: Frame[] = walk.map((frame, i) => ({ ...frame, y: i === 0 ? [NaN] : [7] }))
    const { cond } = await playback(at({ threshold: 1.5 / root }), frames)
    expect(cond[1]!.trace.forced).toBe('no-anchor')
    expect(cond[2]!.trace.decision).toBe('skipped')
  })

  it('knows no published curves: a model that has none is refused, text that is no calibration is a fault', () => {
    const facts = {
      family: 'fake',
      depth: 5,
      cuts: new Set([0, 5]),
      modules: new Set<string>(),
      taps: new Set<string>(),
    }
    expect(() => at({ calibration: '' }).bind(facts, run('stranger'))).toThrow(/CalibrateSenCache/)
    expect(() => at({}).bind(facts, run('other'))).toThrow(/belongs to 'fake'/)
    expect(node.validate?.({ calibration: curves([1, 0], [1], [1]) })).toEqual({
      calibration: expect.stringContaining('one value for each') as unknown,
    })
  })
})

/** The method in straight lines over one branch. */
async function oracle(steps: number, [a, b]: readonly [number, number], epsilon: number, most: number) {
  const model = await straight()
  let decided = ''
  let residual: Numbers = []
  let [z, t]: [Numbers, number] = [[], 0]
  let skips = 0
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await model.embed(x, sigma)
    const far = k === 0 ? Infinity : Math.sqrt(minus(x, z).reduce((sum, value) => sum + value * value, 0))
    const sensitivity = a * far + b * Math.abs(1000 * sigma - t)
    if (k > 0 && sensitivity < epsilon * Math.sqrt(x.length) && skips < most) {
      decided += '.'
      skips += 1
      return model.head({ ...input, image: plus(input.image, residual) })
    }
    decided += 'C'
    skips = 0
    ;[z, t] = [x, 1000 * sigma]
    const output = await model.blocks(input, 0, 8)
    residual = minus(output.image, input.image)
    return model.head(output)
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([
    [0.5, 2],
    [1, 4],
    [0.3, 9],
  ])('threshold %d, at most %i', async (threshold, max_skips) => {
    const expected = await oracle(24, [0.5, 0.003], threshold, max_skips)
    const calibration = curves([1, 0], [0.5, 0.5], [0.003, 0.003])
    const result = await runFake({ cache: at({ threshold, max_skips, calibration }), steps: 24, guidance: 1 })
    expect(decisions(result)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^C.*\..*C/)
    result.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 4))
  })
})
