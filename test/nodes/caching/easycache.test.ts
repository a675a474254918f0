/** EasyCache against its authors' script and ComfyUI's node: hand-computed traces, who leads, and an oracle on the fake model. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { sampled } from '../../../diffusion/caching/change-rate.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import node, { easyCache, type EasyCacheParams } from '../../../nodes/caching/easycache.ts'
import { fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { conformance } from '../../diffusion/caching/conformance.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { playLatents, type Predictions } from './latents.ts'
import { eulerLoop, meanAbs, minus, plus, straight, type Numbers } from './straight.ts'

const knobs: EasyCacheParams = {
  preset: 'custom',
  enabled: true,
  reuse_threshold: 0.3,
  start_percent: 0,
  end_percent: 1,
  start_sigma: 1,
  end_sigma: 0,
}
const at = (settings: Partial<EasyCacheParams>) => configure(easyCache, { ...knobs, ...settings })
const falling = [10, 9, 8, 7, 6, 5, 4, 3]
const rising = [2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4]
const play = (settings: Partial<EasyCacheParams>, predictions: Predictions = { cond: rising }, family = 'fake') =>
  playLatents(at(settings), falling, predictions, family)
const near = (values: Numbers) => values.map((value) => expect.closeTo(value, 5) as unknown)

describe("the authors' script", () => {
  it('sums the change from step to step, by the rate learnt between computed steps', async () => {
    const played = await play({})
    expect(played.letters()).toBe('CCSSSCSC')
    const sums = played.answers.map((answer) => answer.get('cond')!.trace.accumulated)
    const [a, b] = [0.2 / 2.2, 0.2 / 3]
    expect([...sums.slice(2, 5), sums[6]]).toEqual(near([a, 2 * a, 3 * a, b]))
    expect(sums[5]).toBeCloseTo(4 * a, 5)
  })

  it('adds what the model added to the latent last time to the latent of now', async () => {
    const values = (await play({})).values()
    expect(values).toEqual(near([2, 2.2, 1.2, 0.2, -0.8, 3, 2, 3.4]))
  })

  it('computes without a rate, which two computed steps give', async () => {
    const { answers } = await play({})
    expect(answers.map((answer) => answer.get('cond')!.trace.forced)).toEqual([
      'first',
      'no-anchor',
      ...Array<undefined>(5).fill(undefined),
      'last',
    ])
  })

  it.each([
    ['wan', 10, 'CCCCCCCCCCSSSC'],
    ['hunyuan-video', 5, 'CCCCCSSSSSSSSC'],
    ['flux', 5, 'CCCCCSSSSSSSSC'],
  ])('preset official on %s computes the first %i and the last', async (family, _, expected) => {
    const latents = Array.from({ length: 14 }, (_, i) => 10 + (i % 2) * 1e-3)
    const predictions = { cond: latents.map((value) => 5 + value) }
    const played = await playLatents(at({ preset: 'official' }), latents, predictions, family)
    expect(played.letters()).toBe(expected)
  })

  it.each([
    ['wan', 10, 0.05],
    ['hunyuan-video', 5, 0.025],
    ['flux', 5, 0.3],
  ])('preset official on %s, after %i evaluations: threshold %d', async (family, warmUp, threshold) => {
    // A rate of 1: the latent's move over the output's size is the change foretold.
    const size = 100 + warmUp - 1
    const moved = async (by: number) => {
      const latents = [...Array.from({ length: warmUp }, (_, i) => i), warmUp - 1 + by * size, 0]
      const predictions = { cond: [...Array.from({ length: warmUp }, (_, i) => 100 + i), 0, 0] }
      return (await playLatents(at({ preset: 'official' }), latents, predictions, family)).letters()[warmUp]
    }
    expect([await moved(0.98 * threshold), await moved(1.02 * threshold)]).toEqual(['S', 'C'])
  })
})

describe("ComfyUI's node", () => {
  const window = { preset: 'comfyui', start_sigma: 0.75, end_sigma: 0.125 } as const

  it('sums distances from the last computed step, and learns nothing before its window', async () => {
    const played = await play(window)
    // First in the window at 2, a rate from 3; then 1, 2 and 3 from the latent of 3: 0.2/2.6 each time as much.
    expect(played.letters()).toBe('CCCCSSCC')
    const step = 0.2 / 2.6
    const sums = played.answers.map((answer) => answer.get('cond')!.trace.accumulated)
    expect(sums.slice(4, 7)).toEqual(near([step, 3 * step, 6 * step]))
    expect(played.values().slice(4, 6)).toEqual(near([1.6, 0.6]))
    expect(played.answers[7]!.get('cond')!.trace.forced).toBe('window')
  })

  it('lets the negative branch lead, and takes the size of the output over both', async () => {
    // The conditional outputs jump; the negative ones, which decide, do not.
    const predictions = { cond: [2, 9, 1, 9, 1, 9, 1, 9], uncond: rising }
    const played = await play(window, predictions)
    expect([played.letters('cond'), played.letters('uncond')]).toEqual(['CCCCSSSC', 'CCCCSSSC'])
    // At 3 the outputs were 9 and 2.6: 5.8 in the mean.
    expect(played.answers[4]!.get('cond')!.trace.drift).toBeCloseTo(0.2 / 5.8, 5)
    expect(played.values('cond')[4]).toBeCloseTo(6 + (9 - 7), 5)
    expect(played.values('uncond')[4]).toBeCloseTo(6 + (2.6 - 7), 5)
  })

  it('looks at every 8th row and column', () => {
    const plane = tensor(
      Float32Array.from({ length: 2 * 9 * 10 }, (_, i) => i),
      [1, 2, 9, 10],
    )
    const seen = sampled(plane, 8)
    expect([seen.shape, [...seen.data]]).toEqual([
      [1, 2, 2, 2],
      [0, 8, 80, 88, 90, 98, 170, 178],
    ])
    const video = tensor(
      Float32Array.from({ length: 8 }, (_, i) => i),
      [1, 1, 2, 2, 2],
    )
    expect([...sampled(video, 8).data]).toEqual([0, 4])
  })

  it('turns percents into noise levels by the time shift of the model, and leaves the given model as it was', async () => {
    const model = {
      ...fakeModel(fakeTransformer()),
      parametrisation: { kind: 'flow' as const, shift: 3, trainSteps: 1000 },
    }
    const values = { model, reuse_threshold: 0.2, start_percent: 0.15, end_percent: 0.95, verbose: false }
    const produced = await node.run({ ...values, preset: 'comfyui', enabled: true }, context(tmpdir()))
    expect(produced.MODEL.cache!.method).toBe('EasyCache')
    expect(produced.MODEL.cache!.params['start_sigma']).toBeCloseTo((3 * 0.85) / (1 + 2 * 0.85), 9)
    expect(produced.MODEL.cache!.params['end_sigma']).toBeCloseTo((3 * 0.05) / (1 + 2 * 0.05), 9)
    expect('cache' in model).toBe(false)
    const whole = await node.run(
      { ...values, start_percent: 0, end_percent: 1, preset: 'comfyui', enabled: true },
      context(tmpdir()),
    )
    expect(whole.MODEL.cache!.params).toMatchObject({ start_sigma: 1, end_sigma: 0 })
  })

  it('has the inputs that ComfyUI has, in its order, and further ones only if left out', () => {
    const names = Object.entries(node.inputs).map(([name, spec]) => [name, spec.required])
    expect(names).toEqual([
      ['model', true],
      ['reuse_threshold', true],
      ['start_percent', true],
      ['end_percent', true],
      ['verbose', true],
      ['preset', false],
      ['enabled', false],
    ])
    expect(node.outputs).toEqual({ MODEL: 'MODEL' })
    expect(node.validate?.({ start_percent: 0.5, end_percent: 0.4 })).toHaveProperty('end_percent')
  })
})

describe('who leads', () => {
  const jumping = { cond: [2, 9, 1, 9, 1, 9, 1, 9], uncond: rising }

  it('official: the conditional branch for both', async () => {
    const latents = [...falling, 2, 1]
    const predictions = { cond: [2, 9, 1, 9, 1, 9, 1, 9, 1, 9], uncond: [...rising, 3.6, 3.8] }
    const played = await playLatents(at({ preset: 'official', reuse_threshold: 0.3 }), latents, predictions)
    expect([played.letters('cond'), played.letters('uncond')]).toEqual(['CCCCCCCCCC', 'CCCCCCCCCC'])
    const swapped = await playLatents(at({ preset: 'official', reuse_threshold: 0.3 }), latents, {
      cond: predictions.uncond,
      uncond: predictions.cond,
    })
    expect(swapped.letters('uncond')).toBe(swapped.letters('cond'))
    expect(swapped.letters('cond')).toContain('S')
  })

  it('custom: each for itself', async () => {
    const played = await play({}, jumping)
    expect(played.letters('uncond')).toBe('CCSSSCSC')
    expect(played.letters('cond')).toBe('CCCCCCCC')
  })
})

describe('what the scripts leave open', () => {
  it('a latent that stands still gives no rate, and an output that is no number none to reuse', async () => {
    const still = await playLatents(at({}), Array<number>(6).fill(5), { cond: [1, 2, 3, 4, 5, 6] })
    expect(still.letters()).toBe('CCCCCC')
    const broken = await play({}, { cond: [2, NaN, 2.4, 2.6, 2.8, 3, 3.2, 3.4] })
    expect(broken.letters().slice(0, 4)).toBe('CCCC')
    expect(broken.values().slice(2).every(Number.isFinite)).toBe(true)
  })
})

/** The custom preset in straight lines over one branch. */
async function oracle(steps: number, threshold: number) {
  const model = await straight()
  let [decided, sum] = ['', 0]
  let [lastInput, computedInput, output]: [Numbers, Numbers, Numbers] = [[], [], []]
  let rate: number | null = null
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    if (k > 0 && k < steps - 1 && rate !== null) {
      sum += (rate * meanAbs(minus(x, lastInput))) / meanAbs(output)
      lastInput = x
      if (sum < threshold) {
        decided += '.'
        return plus(x, minus(output, computedInput))
      }
    }
    decided += 'C'
    sum = 0
    const now = await model.predict(x, sigma)
    if (k > 0) rate = meanAbs(minus(now, output)) / meanAbs(minus(x, computedInput))
    ;[lastInput, computedInput, output] = [x, x, now]
    return now
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([0.1, 0.3])('threshold %d', async (threshold) => {
    const expected = await oracle(24, threshold)
    const run = await runFake({ cache: at({ reuse_threshold: threshold }), steps: 24, guidance: 1 })
    expect(decisions(run)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^CC.*\..*C/)
    run.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 3))
  })
})

conformance({
  name: 'EasyCache',
  forbidding: {
    'threshold 0': at({ reuse_threshold: 0 }),
    'threshold 0 under a preset': at({ preset: 'official', reuse_threshold: 0 }),
    disabled: at({ enabled: false }),
    'a threshold nothing is below': at({ reuse_threshold: 1e-9 }),
  },
  eager: at({}),
  inWindow: (start, end) => at({ start_sigma: 1 - start, end_sigma: 1 - end }),
  demanding: null,
  coupled: false,
})
