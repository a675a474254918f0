/** StepMask: every way to fix a schedule, against an oracle; CalibrateMask, which finds one; FewerSteps, its rival. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import { meanAbsDifference, zeros } from '../../../diffusion/tensor.ts'
import calibrateMask from '../../../nodes/caching/calibratemask.ts'
import fewerSteps from '../../../nodes/caching/fewersteps.ts'
import { maskOf } from '../../../nodes/caching/knobs/mask.ts'
import node, { stepMask, type StepMaskParams } from '../../../nodes/caching/stepmask.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { playLatents } from './latents.ts'
import { eulerLoop, minus, plus, straight, times, type Numbers } from './straight.ts'

const knobs: StepMaskParams = {
  mode: 'interval',
  enabled: true,
  interval: 3,
  count: 4,
  steps: '0,1,2,5,8',
  share: 0.33,
  calibration: '',
  reuse: 'prediction',
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
}
const at = (settings: Partial<StepMaskParams>) => configure(stepMask, { ...knobs, ...settings })
const still = Array<number>(10).fill(0)
const counting = still.map((_, k) => k * k)

describe('the schedule', () => {
  it.each([
    [{ mode: 'interval', interval: 3 }, 'CSSCSSCSSC'],
    [{ mode: 'interval', interval: 4, force_last: true }, 'CSSSCSSSCC'],
    [{ mode: 'interval', interval: 1 }, 'CCCCCCCCCC'],
    [{ mode: 'evenly', count: 4 }, 'CSSCSSCSSC'],
    [{ mode: 'evenly', count: 99 }, 'CCCCCCCCCC'],
    [{ mode: 'list' }, 'CCCSSCSSCS'],
    [{ mode: 'list', steps: '3, 7-8' }, 'CSSCSSSCCS'],
    [{ mode: 'interval', interval: 5, start: 0.25, end: 0.65 }, 'CCCSSCSCCC'],
  ] as const)('%j', async (settings, expected) => {
    const played = await playLatents(at(settings), still, { cond: counting })
    expect(played.letters()).toBe(expected)
  })

  it("takes cache-dit's masks, stretched to the run", () => {
    expect(maskOf('StepMask', { ...knobs, mode: 'scm-ultra' }, 28).size).toBe(8)
    expect(maskOf('StepMask', { ...knobs, mode: 'scm-slow' }, 56).size).toBe(36)
  })
})

describe('what it carries on', () => {
  it('the prediction as it was, or its forecast', async () => {
    const values = async (settings: Partial<StepMaskParams>) =>
      (await playLatents(at({ mode: 'list', ...settings }), still, { cond: counting })).values().slice(3, 5)
    expect(await values({})).toEqual([4, 4])
    expect(await values({ forecast: 1 })).toEqual([4 + 3, 4 + 6])
    expect(await values({ forecast: 2 })).toEqual([4 + 3 + 1, 4 + 6 + 4])
    expect(await values({ forecast: 1, forecast_reach: 0.5 })).toEqual([5.5, 5.5])
  })

  it('nothing that is no number', async () => {
    const played = await playLatents(at({ interval: 4 }), still, { cond: [0, 1, 2, 3, NaN, 5, 6, 7, 8, 9] })
    expect(played.letters()).toBe('CSSSCCSSCS')
    expect(played.answers[5]!.get('cond')!.trace.forced).toBe('no-anchor')
  })
})

/** Reuse of the residual, or of the prediction along sigma, in straight lines over one branch. */
async function oracle(steps: number, mask: readonly number[], reuse: 'residual' | 'prediction') {
  const model = await straight()
  const anchors: { sigma: number; value: Numbers }[] = []
  return eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await model.embed(x, sigma)
    if (mask.includes(k)) {
      const output = await model.blocks(input, 0, 8)
      const prediction = await model.head(output)
      anchors.unshift({ sigma, value: reuse === 'residual' ? minus(output.image, input.image) : prediction })
      return prediction
    }
    const [a, b] = anchors
    const reach = b ? Math.min((a!.sigma - sigma) / (b.sigma - a!.sigma), 0.5) : 0
    const value = b ? plus(a!.value, times(reach, minus(a!.value, b.value))) : a!.value
    return reuse === 'residual' ? model.head({ ...input, image: plus(input.image, value) }) : value
  })
}

describe('against an oracle on the fake model', () => {
  it.each(['residual', 'prediction'] as const)('%s, forecast along sigma, half a gap far', async (reuse) => {
    const mask = [0, 1, 2, 4, 7, 11, 16, 20]
    const expected = await oracle(24, mask, reuse)
    const line = { forecast: 1, forecast_axis: 'sigma', forecast_reach: 0.5 } as const
    const cache = at({ mode: 'list', steps: mask.join(), reuse, ...line })
    const run = await runFake({ cache, steps: 24, guidance: 1 })
    expect(decisions(run)).toBe(Array.from({ length: 24 }, (_, k) => (mask.includes(k) ? 'C' : '.')).join(''))
    run.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
  })
})

describe('the node', () => {
  it('says what is wrong with a list and a window, and warns of a list made for more steps', async () => {
    expect(node.validate?.({ steps: '0,x', start: 0.6, end: 0.4 })).toHaveProperty('steps')
    expect(node.validate?.({ mode: 'list', steps: '' })).toEqual({
      steps: expect.stringContaining('at least one') as unknown,
    })
    expect(node.validate?.({ mode: 'interval', steps: '' })).toBeUndefined()
    const long = await runFake({ cache: at({ mode: 'list', steps: '0,5,29' }), steps: 16 })
    expect(long.report.warnings.join()).toContain('29')
  })

  it('needs cuts only for the residual', async () => {
    const transformer = fakeTransformer({ cuts: [] })
    await expect(runFake({ cache: at({ reuse: 'residual' }), transformer })).rejects.toThrow(/cut at block 0/)
    await expect(runFake({ cache: at({ reuse: 'prediction' }), transformer })).resolves.toBeDefined()
  })
})

const values = {
  model: fakeModel(fakeTransformer()),
  seed: 3n,
  steps: 20,
  cfg: 3,
  sampler_name: 'euler',
  scheduler: 'simple',
  positive: [fakeConditioning(1)],
  negative: [fakeConditioning(2)],
  latent_image: { samples: zeros([2, ...FAKE_LATENT]) },
  denoise: 1,
  runs: 2,
  count: 6,
  force_last: false,
  forecast: 1,
  forecast_axis: 'sigma',
  forecast_reach: 0.5,
  corrector: 'off',
  weight: 0,
} as const

describe('CalibrateMask', () => {
  it('finds a list that errs less than evenly spaced steps on the runs it saw, and says so', async () => {
    const { steps, ui } = await calibrateMask.run(values, context(tmpdir()))
    expect(ui!['text']![1]).toBe(steps)
    const [, runs, error, even] = /from (\d+) runs: error ([\d.e-]+), evenly spaced ([\d.e-]+)/.exec(
      String(ui!['text']![0]),
    )!
    expect(Number(runs)).toBe(4)
    expect(Number(error)).toBeLessThan(Number(even))
  })

  it('finds a list that comes nearer to the uncached pictures than crowded ones', async () => {
    const { steps } = await calibrateMask.run(values, context(tmpdir()))
    expect(steps).toMatch(/^0(,\d+){5}$/)
    const line = { forecast: 1, forecast_axis: 'sigma', forecast_reach: 0.5 } as const
    const distance = async (settings: Partial<StepMaskParams>) => {
      let sum = 0
      for (const seed of [3n, 4n]) {
        const noise = normalNoise(seed, [2, ...FAKE_LATENT])
        const run = (cache: ReturnType<typeof at> | null) => runFake({ steps: 20, batch: 2, noise, cache })
        sum += meanAbsDifference((await run(at({ ...settings, ...line }))).samples, (await run(null)).samples)
      }
      return sum
    }
    const found = await distance({ mode: 'list', steps })
    for (const crowded of ['0-5', '0,15-19', '0,1,2,17-19'])
      expect(found).toBeLessThan(await distance({ mode: 'list', steps: crowded }))
  })

  it('refuses a sampler of two evaluations a step, and more steps than there are', async () => {
    const run = (changes: object) => Promise.resolve(calibrateMask.run({ ...values, ...changes }, context(tmpdir())))
    await expect(run({ sampler_name: 'heun' })).rejects.toThrow(/heun.*euler/)
    await expect(run({ count: 21 })).rejects.toThrow(/20 steps.*21/)
  })
})

describe('FewerSteps', () => {
  const run = (changes: object) =>
    fewerSteps.run(
      { steps: 30, share: 0.5, full_sampler: 'euler', sampler_name: 'dpmpp_2m', report: undefined, ...changes },
      context(tmpdir()),
    )

  it.each([...samplers.keys()])(
    'gives %s no more evaluations than the share allows, and one step more would be too many',
    async (name) => {
      const { steps, evaluations } = await run({ sampler_name: name, share: 0.4 })
      const count = (n: number) => samplers.get(name)!.evaluations(Array.from({ length: n + 1 }, (_, i) => 1 - i / n))
      expect(evaluations).toBe(count(steps))
      expect(evaluations).toBeLessThanOrEqual(12)
      expect(count(steps + 1)).toBeGreaterThan(12)
    },
  )

  it("matches a cached run's computed blocks", async () => {
    const { report } = await runFake({ cache: at({ reuse: 'prediction', interval: 4 }), steps: 16 })
    expect(report.computedBlocks / report.totalBlocks).toBe(0.25)
    expect(await run({ steps: 16, report })).toEqual({ steps: 4, evaluations: 4 })
    expect(await run({ share: 0.01 })).toEqual({ steps: 1, evaluations: 1 })
  })
})
