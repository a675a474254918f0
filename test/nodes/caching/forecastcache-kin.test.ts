/** ForecastCache as the multistep solver that it is, and its controller. */
import { describe, expect, it } from 'vitest'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { everyNth, formatSteps } from '../../../diffusion/caching/masks.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import { concatRows, meanAbsDifference, row } from '../../../diffusion/tensor.ts'
import { FAKE_LATENT } from '../../fixtures/fake-model.ts'
import { decisions } from '../../diffusion/caching/run.ts'
import { at, expectNear, run } from './forecasting.ts'
import { playLatents } from './latents.ts'
import { eulerLoop, minus, plus, straight, times, type Numbers } from './straight.ts'

/** A mask of every `n`-th of 6 n steps, and the levels that it computes at. */
function coarse(n: number) {
  const steps = 6 * n
  const fine = Array.from({ length: steps + 1 }, (_, i) => Math.fround(1 - i / steps))
  const mask = everyNth(steps, n)
  return { steps, fine, list: formatSteps(mask), levels: [...mask.map((k) => fine[k]!), 0] }
}

describe('kin of multistep solvers', () => {
  const on = (sigmas: readonly number[], samplerName: string, cache: CacheConfiguration | null = null) =>
    run(cache, { sigmas, sampler: samplers.get(samplerName)! })

  it('the velocity held is Euler on the computed steps', async () => {
    const uneven = [1, 0.95, 0.9, 0.8, 0.75, 0.6, 0.5, 0.3, 0.2, 0]
    const [held, euler] = [
      await on(uneven, 'euler', at({ steps: '0,1,3,6', forecast: 0 })),
      await on([1, 0.95, 0.8, 0.5, 0], 'euler'),
    ]
    expect(meanAbsDifference(held.samples, euler.samples)).toBeLessThan(1e-6)
  })

  it('the uncapped line is AB2 there, up to summing the line over n skipped steps instead of integrating it: 1 / n apart', async () => {
    const apart = async (n: number) => {
      const { fine, levels, list } = coarse(n)
      const cache = at({ steps: list, forecast_reach: 0 })
      const [line, ab2] = [await on(fine, 'euler', cache), await on(levels, 'ab2')]
      return meanAbsDifference(line.samples, ab2.samples)
    }
    const [some, twice, many] = [await apart(8), await apart(16), await apart(128)]
    expect(some / twice).toBeGreaterThan(1.7)
    expect(some / twice).toBeLessThan(2.3)
    expect(many).toBeLessThan(some / 10)
  })

  it('is AB2 with that sum in the place of the integral, exactly', async () => {
    const { steps, fine, list, levels } = coarse(5)
    const line = await on(fine, 'euler', at({ steps: list, forecast_reach: 0 }))
    const model = await straight()
    const before: { sigma: number; v: Numbers }[] = []
    const xs: Numbers[] = []
    await eulerLoop(1, 1n, (x) => Promise.resolve((xs.push(x), x)))
    let x = xs[0]!
    for (let i = 0; i < 6; i++) {
      const [sigma, next] = [levels[i]!, levels[i + 1]!]
      const v = await model.predict(x, sigma)
      x = plus(x, times(next - sigma, v))
      const b = before.at(-1)
      // sum over the fine steps of (sigma_j - sigma) dsigma; the integral would be (next - sigma)^2 / 2, 5 / 4 of it.
      const sum = ((next - sigma) ** 2 / 2) * (1 - 5 / steps / (sigma - next) / 5)
      if (b) x = plus(x, times(sum / (sigma - b.sigma), minus(v, b.v)))
      before.push({ sigma, v })
    }
    expectNear(line.samples, x, 5)
  })
})

describe('the controller', () => {
  const controller = at({ when: 'controller', tau: 0.3, corrector: 'on' })

  it('computes the first two steps, then less with a higher tau', async () => {
    const count = (letters: string) => letters.split('C').length - 1
    const [low, high] = [
      decisions(await run(at({ when: 'controller', tau: 0.05 }))),
      decisions(await run(at({ when: 'controller', tau: 1 }))),
    ]
    expect(low.startsWith('CC')).toBe(true)
    expect(count(high)).toBeGreaterThan(1)
    expect(count(high)).toBeLessThan(count(low))
  })

  it('decides for a sample as it would without the others of its batch', async () => {
    const rows = [1n, 2n, 3n].map((seed) => normalNoise(seed, [1, ...FAKE_LATENT]))
    const batch = await run(controller, { batch: 3, guidance: 3, noise: concatRows(rows) })
    const skipped = rows.map((_, sample) => decisions(batch, sample))
    for (const [sample, noise] of rows.entries()) {
      const alone = await run(controller, { guidance: 3, noise })
      expect(skipped[sample]).toBe(decisions(alone))
      expect(row(batch.samples, sample).data).toEqual(alone.samples.data)
    }
    expect(new Set(skipped).size).toBeGreaterThan(1)
  })

  it('measures the guided forecast: guidance moves its decisions, and both branches follow one', async () => {
    const weak = await run(controller, { guidance: 1.01 })
    const strong = await run(controller, { guidance: 12 })
    expect(decisions(strong)).not.toBe(decisions(weak))
    expect(decisions(strong, 0, 'uncond')).toBe(decisions(strong))
  })
})

describe("the controller's error", () => {
  const played = async (cond: Numbers, uncond: Numbers) => {
    const still = cond.map(() => 0)
    return (await playLatents(at({ when: 'controller', tau: 0.2 }), still, { cond, uncond })).letters()
  }
  const [line, bent] = [Array.from({ length: 12 }, (_, k) => k), Array.from({ length: 12 }, (_, k) => k ** 3)]

  it('is that of the guided velocity: a branch that cannot be forecast is enough, two that cancel are none', async () => {
    const skips = (letters: string) => letters.split('S').length - 1
    const [neither, one, other] = [await played(line, line), await played(line, bent), await played(bent, line)]
    expect(skips(one)).toBeLessThan(skips(neither))
    expect(skips(other)).toBeLessThan(skips(neither))
    // Guidance 3: uncond + 3 (cond - uncond) is a line where uncond bends 3 / 2 as much as cond.
    expect(
      await played(
        bent,
        bent.map((value, k) => 1.5 * value - k / 2),
      ),
    ).toBe(neither)
  })
})
