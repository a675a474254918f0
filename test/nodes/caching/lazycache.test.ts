/** LazyCache against ComfyUI's node: a hand-computed trace after guidance, and an oracle on the fake model. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import node, { lazyCache, type LazyCacheParams } from '../../../nodes/caching/lazycache.ts'
import { fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { conformance } from '../../diffusion/caching/conformance.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { playLatents } from './latents.ts'
import { eulerLoop, meanAbs, minus, plus, sigmasOf, straight, times, type Numbers } from './straight.ts'

const knobs: LazyCacheParams = {
  enabled: true,
  reuse_threshold: 0.3,
  start_percent: 0,
  end_percent: 1,
  start_sigma: 1,
  end_sigma: 0,
}
const at = (settings: Partial<LazyCacheParams>) => configure(lazyCache, { ...knobs, ...settings })

const latents = [10, 9, 8, 7, 6, 5, 4, 3]
const clean = [2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4]
const sigmas = latents.map((_, k) => 1 - k / 8)
/** The prediction v with latent - sigma v = clean. */
const towards = (target: Numbers): Numbers => target.map((value, k) => (latents[k]! - value) / sigmas[k]!)
const near = (values: Numbers) => values.map((value) => expect.closeTo(value, 5) as unknown)

describe("ComfyUI's node", () => {
  const window = { start_sigma: 0.75, end_sigma: 0.125 }

  it('learns before its window, the rate inside it, and counts distances from the last computed step', async () => {
    const played = await playLatents(at(window), latents, { cond: towards(clean) })
    expect(played.letters()).toBe('CCCSSCSC')
    const sums = played.answers.map((answer) => answer.get('cond')!.trace.accumulated)
    const step = 0.2 / 2.4
    expect([...sums.slice(3, 6), sums[6]]).toEqual(near([step, 3 * step, 6 * step, 0.2 / 3]))
    const forced = [1, 2, 7].map((index) => played.answers[index]!.get('cond')!.trace.forced)
    expect(forced).toEqual(['window', 'no-anchor', 'window'])
  })

  it('carries on the step to the clean latent', async () => {
    const played = await playLatents(at(window), latents, { cond: towards(clean) })
    const results = played.values().map((v, k) => latents[k]! - sigmas[k]! * v)
    expect(results).toEqual(near([2, 2.2, 2.4, 1.4, 0.4, 3, 2, 3.4]))
  })

  it('looks at the guided result: branches that differ in opposite ways are as one', async () => {
    // 3 cond - 2 uncond is the same as before.
    const v = towards(clean)
    const [cond, uncond] = [v.map((value, k) => value + 2 * (-1) ** k), v.map((value, k) => value + 3 * (-1) ** k)]
    const played = await playLatents(at(window), latents, { cond, uncond })
    expect([played.letters('cond'), played.letters('uncond')]).toEqual(['CCCSSCSC', 'CCCSSCSC'])
    expect(played.values('cond')[3]).toBe(played.values('uncond')[3])
    expect(latents[3]! - sigmas[3]! * played.values('cond')[3]!).toBeCloseTo(1.4, 5)
  })

  it('has the inputs that ComfyUI has, in its order, and reckons its window from the time shift', async () => {
    expect(Object.keys(node.inputs)).toEqual([
      'model',
      'reuse_threshold',
      'start_percent',
      'end_percent',
      'verbose',
      'enabled',
    ])
    expect(node.outputs).toEqual({ MODEL: 'MODEL' })
    const model = fakeModel(fakeTransformer())
    const values = {
      model,
      reuse_threshold: 0.2,
      start_percent: 0.15,
      end_percent: 0.95,
      verbose: false,
      enabled: true,
    }
    const { MODEL } = await node.run(values, context(tmpdir()))
    expect(MODEL.cache!.method).toBe('LazyCache')
    expect(MODEL.cache!.params['start_sigma']).toBeCloseTo(0.85, 9)
    expect(node.validate?.({ start_percent: 0.5, end_percent: 0.4 })).toHaveProperty('end_percent')
    const { report } = await runFake({ model: MODEL })
    expect(report.method).toBe('LazyCache')
  })

  it('a result that is no number is not carried on', async () => {
    const played = await playLatents(at({}), latents, { cond: towards([2, NaN, ...clean.slice(2)]) })
    expect(played.letters().slice(0, 4)).toBe('CCCC')
    expect(played.values().slice(2).every(Number.isFinite)).toBe(true)
  })
})

/** In straight lines over both branches, guided by 3. The fake's latents are too small to be thinned out: one cell a channel is seen. */
async function oracle(steps: number, threshold: number) {
  const [cond, uncond] = [await straight(1), await straight(2)]
  const seen = (x: Numbers): Numbers => [x[0]!, x[4]!]
  let [decided, sum] = ['', 0]
  let [input, output]: [Numbers, Numbers] = [[], []]
  let rate: number | null = null
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const moved = k > 0 ? meanAbs(minus(seen(x), seen(input))) : 0
    if (rate !== null) {
      sum += (rate * moved) / meanAbs(output)
      if (sum < threshold) {
        decided += '.'
        return times(-1 / sigma, minus(output, input))
      }
      sum = 0
    }
    decided += 'C'
    const [c, u] = [await cond.predict(x, sigma), await uncond.predict(x, sigma)]
    const target = minus(x, times(sigma, plus(u, times(3, minus(c, u)))))
    if (k > 0) rate = meanAbs(minus(seen(target), seen(output))) / moved
    ;[input, output] = [x, target]
    return times(1 / sigma, minus(x, target))
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([0.2, 0.5])('threshold %d', async (threshold) => {
    expect(sigmasOf(24)).toHaveLength(25)
    const expected = await oracle(24, threshold)
    const run = await runFake({ cache: at({ reuse_threshold: threshold }), steps: 24 })
    expect(decisions(run)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^CC.*\..*C/)
    run.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 3))
  })
})

conformance({
  name: 'LazyCache',
  forbidding: {
    'threshold 0': at({ reuse_threshold: 0 }),
    disabled: at({ enabled: false }),
    'a threshold nothing is below': at({ reuse_threshold: 1e-9 }),
  },
  // The published window leaves the last steps to the model.
  eager: at({ end_sigma: 0.13 }),
  inWindow: (start, end) => at({ start_sigma: 1 - start, end_sigma: 1 - end }),
  demanding: null,
  coupled: true,
})
