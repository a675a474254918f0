/** FasterCache's two parts by hand: the unconditional prediction from its frequencies, attention along its last change. */
import { describe, expect, it } from 'vitest'
import { SCRIPTS } from '../../../nodes/caching/tables/fastercache.ts'
import type { FasterCacheParams } from '../../../nodes/caching/fastercache.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { fasterCacheWith as cacheOf, play, played } from './played.ts'
import { callAt } from './scripted.ts'

describe('the unconditional branch', () => {
  const [c, u, later] = [
    [1, 2, 3, 4],
    [2, 2, 3, 5],
    [0, 0, 0, 8],
  ]
  const model = () => played({ cond: [c, later, later], uncond: [u, [9, 9, 9, 9], [9, 9, 9, 9]] })
  const cfg = {
    attention_interval: 1,
    uncond_interval: 5,
    uncond_start: 0,
    force_last: false,
    low_boost: 1.1,
    high_boost: 1,
  }
  const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 5) as unknown)

  it('is the conditional one and the boosted parts of the last difference, factors multiplying', async () => {
    const answers = await play(cfg, 3, model(), ['cond', 'uncond'])
    const rebuilt = answers.map((answer) => [...answer.get('uncond')!.prediction.data])
    expect(rebuilt).toEqual([u, near([1.05, 0.05, 0.05, 9.05]), near([1.105, 0.105, 0.105, 9.105])])
    expect(answers.map((answer) => answer.get('uncond')!.trace)).toEqual([
      { decision: 'full', forced: 'first' },
      { decision: 'skipped', gain: 1.1 },
      { decision: 'skipped', gain: expect.closeTo(1.21, 12) as unknown },
    ])
  })

  it('the paper does not multiply', () => {
    const { boost, compounds } = SCRIPTS.paper
    expect([compounds, boost(callAt(1, 30)).low]).toEqual([false, 1.2])
  })

  it('factors begin at 1 again after both branches ran, and turn from low to high', async () => {
    const maps = Array.from({ length: 30 }, () => c)
    const others = Array.from({ length: 30 }, () => u)
    const answers = await play(
      { preset: 'official-open-sora' },
      30,
      played(
        { cond: maps, uncond: others },
        maps.map(() => 1),
      ),
      ['cond', 'uncond'],
    )
    const low = (k: number) => Math.round(Math.log(answers[k - 1]!.get('uncond')!.trace.gain!) / Math.log(1.15))
    expect([12, 13, 14].map(low)).toEqual([1, 2, 3])
    expect([16, 17, 18, 19].map(low)).toEqual([1, 2, 3, 4])
    expect([21, 22, 23, 24].map(low)).toEqual([1, 2, 3, 4])
    expect([26, 27, 28, 29].map(low)).toEqual([0, 0, 0, 0])
    // d = (1, 0, 0, 1): low 0.5 everywhere, high +-0.5; uncond - cond at the corner is 0.5 a + 0.5 b.
    const exponents = (k: number) => {
      const { data } = answers[k - 1]!.get('uncond')!.prediction
      const [sum, difference] = [data[0]! - 1 + (data[1]! - 2), data[0]! - 1 - (data[1]! - 2)]
      return [sum, difference].map((value) => Math.round(Math.log(value) / Math.log(1.15)))
    }
    expect([19, 21, 24, 26, 29].map(exponents)).toEqual([
      [4, 0],
      [1, 1],
      [4, 4],
      [0, 1],
      [0, 4],
    ])
  })

  it('a difference that is not finite is not used', async () => {
    const broken = played({ cond: [c, c, c], uncond: [[NaN, 1, 1, 1], u, u] })
    const answers = await play(cfg, 3, broken, ['cond', 'uncond'])
    expect(answers.map((answer) => answer.get('uncond')!.trace.decision)).toEqual(['full', 'full', 'skipped'])
  })
})

describe('attention', () => {
  const zeros = Array.from({ length: 9 }, () => [0, 0, 0, 0])
  const fed = async (settings: Partial<FasterCacheParams>, attention: readonly number[]) => {
    const model = played({ cond: zeros, uncond: zeros }, attention)
    await play({ attention_start: 0, force_last: false, ...settings }, attention.length, model, ['cond'])
    return model.given
  }
  const third = { attention_interval: 3, weight_first: 0.3, weight_last: 0.3 }

  it('goes on from the newest of the last two computed outputs by its weight', async () => {
    // Evaluations 0, 3 and 6 are computed; with only one output there is nothing to go on along.
    expect(await fed(third, [1, 7, 7, 1.4, 7, 7, 2])).toEqual([
      null,
      1,
      1,
      null,
      expect.closeTo(1.52, 6),
      expect.closeTo(1.52, 6),
      null,
    ])
  })

  it('learns from computed outputs alone, where diffusers takes its own estimates too', async () => {
    const half = { attention_interval: 2, weight_first: 0.5, weight_last: 0.5 }
    const own = await fed(half, [1, 7, 1.4, 7, 1.9, 7])
    expect(own.at(-1)).toBeCloseTo(1.9 + 0.5 * (1.9 - 1.4), 5)
    const model = played({ cond: zeros, uncond: zeros }, [1, 7, 1.4, 7, 1.9, 7])
    const evaluate = cacheOf({ preset: 'official-diffusers' }).bind(model.denoiser.facts)()
    for (let index = 0; index < 6; index++) await evaluate({ ...callAt(index, 6), timestep: 500 }, model.denoiser)
    const [, first, , second, , third] = model.given
    expect(first).toBe(1)
    expect(second).toBeCloseTo(1.4 + 0.5 * (1.4 - 1), 5)
    expect(third).toBeCloseTo(1.9 + 0.5 * (1.9 - 1.6), 5)
  })

  it('the knobs draw the weight from its first value to its last', async () => {
    const weights = { attention_interval: 2, attention_start: 0.5, weight_first: 0.2, weight_last: 1 }
    const { report } = await runFake({ cache: cacheOf({ ...weights, force_last: false }), steps: 20, guidance: 1 })
    const gains = report.rows.flatMap(({ evaluation, gain }) => (gain === undefined ? [] : [[evaluation, gain]]))
    expect(gains[0]).toEqual([11, expect.closeTo(0.2 + 0.8 / 9, 9)])
    expect(gains.at(-1)).toEqual([19, expect.closeTo(1, 9)])
  })

  it('an output that is not finite is computed again until it is', async () => {
    // At the last evaluation the weight is 1.
    expect(await fed({ attention_interval: 2 }, [NaN, 7, 2, 7])).toEqual([
      null,
      null,
      null,
      expect.closeTo(2 + (2 - 7), 6),
    ])
  })
})
