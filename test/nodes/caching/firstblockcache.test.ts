/** First-Block-Cache against its authors' control flow: hand-computed traces, and an oracle on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, type Evaluated } from '../../../diffusion/caching/contract.ts'
import node, { firstBlockCache, type FirstBlockCacheParams } from '../../../nodes/caching/firstblockcache.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { callAt, scripted, type Scene } from './scripted.ts'
import { Added, eulerLoop, meanAbs, minus, straight, type Numbers } from './straight.ts'

const knobs: FirstBlockCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.12,
  warm_up: 0,
  max_in_a_row: 0,
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
}

const letters = (answers: readonly Evaluated[]): string =>
  answers.map(({ trace }) => ({ full: 'F', resumed: 'R', skipped: '.', partial: 'p' })[trace.decision]).join('')
const near = (value: number): unknown => expect.closeTo(value, 6)

/** What the first block adds at each evaluation; before it stand the tokens x, after the last block y. */
const adding = (residuals: Numbers, ys: readonly (number | undefined)[] = [], x = 1): Scene[] =>
  residuals.map((residual, i) => ({ x: [x], p: [x + residual], ...(ys[i] === undefined ? {} : { y: [ys[i]] }) }))

async function play(scenes: readonly Scene[], settings: Partial<FirstBlockCacheParams> = {}, family = 'fake') {
  const denoiser = scripted({ cond: scenes }, family)
  const evaluate = configure(firstBlockCache, { ...knobs, ...settings }).bind(denoiser.facts)()
  const answers: Evaluated[] = []
  for (let index = 0; index < scenes.length; index++)
    answers.push((await evaluate(callAt(index, scenes.length), denoiser)).get('cond')!)
  return { answers, ran: denoiser.ran }
}

describe('the published control flow', () => {
  it('compares with the last computed evaluation and sums nothing', async () => {
    const { answers, ran } = await play(adding([10, 10.5, 11, 11.5, 12], [100, undefined, undefined, 200]))
    expect(letters(answers)).toBe('F..R.')
    expect(answers.map(({ trace }) => trace.drift)).toEqual([
      undefined,
      near(0.05),
      near(0.1),
      near(0.15),
      near(0.5 / 11.5),
    ])
    expect(ran).toEqual(['0-1', '1-5', '0-1', '0-1', '0-1', '1-5', '0-1'])
  })

  it('adds what the other blocks added last time to what the first one gives now', async () => {
    const { answers } = await play(adding([10, 10.5, 11, 11.5, 12], [100, undefined, undefined, 200]))
    // 100 - 11 = 89 after the first compute, 200 - 12.5 = 187.5 after the second.
    const values = [100, 11.5 + 89, 12 + 89, 200, 13 + 187.5]
    expect(answers.map(({ prediction }) => prediction.data[0])).toEqual(values)
  })

  it('a drift equal to the threshold: ParaAttention computes, diffusers skips', async () => {
    const scenes = adding([100, 108, 105], [500, 501, 502])
    expect(letters((await play(scenes, { preset: 'official' }, 'flux')).answers)).toBe('FR.')
    const close = adding([100, 105], [500])
    expect(letters((await play(close, { preset: 'diffusers' })).answers)).toBe('F.')
  })

  it("takes ParaAttention's threshold for the family, and the knob's for others", async () => {
    const scenes = adding([100, 107], [500, 501])
    const decided = async (family: string) =>
      letters((await play(scenes, { preset: 'official', threshold: 0.2 }, family)).answers)
    expect([await decided('flux'), await decided('hunyuan-video'), await decided('wan')]).toEqual(['F.', 'FR', 'F.'])
  })

  it('presets neither warm up nor force the last evaluation', async () => {
    const still = adding([10, 10, 10, 10], [50])
    for (const preset of ['official', 'diffusers'] as const)
      expect(letters((await play(still, { preset, warm_up: 0.5, force_last: true, max_in_a_row: 1 })).answers)).toBe(
        'F...',
      )
  })
})

describe('the knobs', () => {
  const still = adding(Array<number>(8).fill(10), Array<number>(8).fill(50))

  it.each([
    ['warm_up', { warm_up: 0.375 }, 'FFF.....'],
    ['force_last', { force_last: true }, 'F......F'],
    ['max_in_a_row', { max_in_a_row: 2 }, 'F..F..F.'],
    ['the window', { start: 0.25, end: 0.625 }, 'FF....FF'],
  ])('%s', async (_, settings, expected) => {
    expect(letters((await play(still, settings)).answers)).toBe(expected)
  })

  it('a limit is told as such', async () => {
    const { answers } = await play(still, { max_in_a_row: 2 })
    expect(answers[3]!.trace.forced).toBe('limit')
  })

  it('forecasts along evaluations or noise levels, no further than told', async () => {
    const scenes = adding([10, 20, 20, 20], [111, 121])
    // The others add 100 after the first evaluation, 100 after the second, with the tokens before at 11 and 21.
    const line = adding([10, 20, 20, 20], [111, 131])
    const last = async (given: Scene[], settings: Partial<FirstBlockCacheParams>) =>
      (await play(given, { threshold: 0.5, forecast: 1, ...settings })).answers[3]!.prediction.data[0]
    expect(await last(scenes, {})).toBe(121)
    expect(await last(line, {})).toBe(21 + 110 + 2 * 10)
    expect(await last(line, { forecast_axis: 'sigma' })).toBeCloseTo(21 + 110 + 2 * 10, 4)
    expect(await last(line, { forecast_reach: 0.5 })).toBe(21 + 110 + 5)
    expect(await last(line, { forecast: 0 })).toBe(131)
  })
})

describe('what the published codes leave open', () => {
  it('a first block that adds nothing, or no number, computes; nothing is built on it', async () => {
    const zero = await play(adding([0, 0, 0], [5, 5, 5]))
    expect(letters(zero.answers)).toBe('FFF')
    expect(zero.answers[1]!.trace.forced).toBe('non-finite')
    const broken = await play(adding([10, NaN, 10, 10], [5, 6, 7]))
    expect(letters(broken.answers)).toBe('FFF.')
    expect(broken.answers.map(({ trace }) => trace.forced)).toEqual(['first', 'non-finite', 'no-anchor', undefined])
    expect(broken.answers[3]!.prediction.data[0]).toBe(7)
  })

  it('other blocks that give no number leave nothing to skip with', async () => {
    const { answers } = await play(adding([10, 10, 10], [NaN, 6]))
    expect(letters(answers)).toBe('FF.')
    expect(answers[1]!.trace.forced).toBe('no-anchor')
  })

  it('a model of one block is refused, a window that ends before it starts is a fault', () => {
    const { facts } = scripted({})
    const one = { ...facts, depth: 1, cuts: new Set([0, 1]) }
    expect(() => configure(firstBlockCache, knobs).bind(one)).toThrow(/1 block/)
    expect(() => configure(firstBlockCache, { ...knobs, threshold: 0 }).bind(one)).not.toThrow()
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toEqual({ end: expect.stringContaining('0.6') as unknown })
    expect(node.validate?.({ start: 0.4, end: 0.6 })).toBeUndefined()
  })
})

/** The method in straight lines over one branch: no accumulator, both streams' changes kept, the last two with an order of 1. */
async function oracle(steps: number, threshold: number, order: 0 | 1) {
  const model = await straight()
  let decided = ''
  let reference: Numbers | null = null
  const added = new Added(order)
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await model.embed(x, sigma)
    const first = await model.blocks(input, 0, 1)
    const change = minus(first.image, input.image)
    if (reference !== null && meanAbs(minus(reference, change)) / meanAbs(reference) < threshold) {
      decided += '.'
      return model.head({ ...first, image: added.to(first.image, k) })
    }
    decided += 'C'
    reference = change
    const output = await model.blocks(first, 1, 8)
    added.learn(k, first.image, output.image)
    return model.head(output)
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([
    [0.1, 0],
    [0.25, 0],
    [0.1, 1],
    [0.25, 1],
  ] as const)('threshold %d, order %i', async (threshold, order) => {
    const expected = await oracle(24, threshold, order)
    const cache = configure(firstBlockCache, { ...knobs, threshold, forecast: order })
    const run = await runFake({ cache, steps: 24, guidance: 1 })
    expect(decisions(run)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^C.*\..*C/)
    run.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 4))
  })
})
