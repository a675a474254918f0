/** Every sampler in the folder, on data whose clean latent is known: convergence, distribution, and what all samplers have in common. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NormalGenerator } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import type { Medium } from '../../../diffusion/sampling-types.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { evenMedium, exact, expectClean, MEAN, seededMedium, SPREAD, type Kind } from './medium.ts'

const even = (from: number, to: number, steps: number): number[] =>
  Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps)

interface Ran {
  readonly end: Tensor
  readonly asked: readonly number[]
  readonly steps: readonly number[]
}

interface Given {
  readonly kind?: Kind
  readonly medium?: Medium
}

async function run(name: string, sigmas: readonly number[], start: ArrayLike<number>, given: Given = {}): Promise<Ran> {
  const [asked, steps]: [number[], number[]] = [[], []]
  const latent = tensor(Float32Array.from(start), [1, start.length])
  const { kind = 'flow', medium = evenMedium(kind, latent.shape) } = given
  const end = await samplers.get(name)!.sample(
    ({ data, shape }, sigma) => {
      asked.push(sigma)
      return Promise.resolve({ data: data.map((x) => expectClean(kind, x, sigma)), shape })
    },
    latent,
    sigmas,
    (done) => steps.push(done),
    medium,
  )
  return { end, asked, steps }
}

/** Samplers that add no noise, with the order that their error shrinks by: at least and at most. */
const DETERMINISTIC = [
  ['euler', 0.8, 1.2],
  ['ddim', 0.8, 1.2],
  ['ab2', 1.7, 2.6],
  ['heun', 1.8, 2.4],
  ['heunpp2', 0.8, 1.3],
  ['dpm_2', 1.7, 2.6],
  ['dpmpp_2m', 1.7, 2.6],
  ['res_multistep', 1.7, 4],
  ['uni_pc', 1.7, 4.5],
  ['uni_pc_bh2', 1.7, 5.5],
  ['lms', 1.8, 5],
  ['ipndm', 1.8, 5],
] as const
const STOCHASTIC = [
  'ddpm',
  'dpm_2_ancestral',
  'dpmpp_2m_sde',
  'dpmpp_2s_ancestral',
  'dpmpp_3m_sde',
  'dpmpp_sde',
  'euler_ancestral',
  'lcm',
]

/** How the error at the end shrinks when the steps are doubled, as a power of two. */
async function orderOf(name: string, kind: Kind, [from, to]: readonly [number, number]): Promise<number> {
  const errorAt = async (steps: number) => {
    const { end } = await run(name, even(from, to, steps), [exact(kind, 1.3, from)], { kind })
    return Math.abs(end.data[0]! - exact(kind, 1.3, to))
  }
  return Math.log2((await errorAt(16)) / (await errorAt(32)))
}

it('every sampler of the folder is tested here', () => {
  const known = [...DETERMINISTIC.map(([name]) => name as string), ...STOCHASTIC]
  expect([...samplers.keys()]).toEqual(expect.arrayContaining(known))
})

describe('order of convergence', () => {
  it.each(DETERMINISTIC)('%s', async (name, low, high) => {
    for (const [kind, range] of [
      ['flow', [0.95, 0.1]],
      ['exploding', [3, 0.4]],
    ] as const) {
      const order = await orderOf(name, kind, range)
      expect(order, kind).toBeGreaterThan(low)
      expect(order, kind).toBeLessThan(high)
    }
  })
})

describe('samplers that add noise', () => {
  const VALUES = 4096
  const statistics = ({ data }: Tensor) => {
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length
    const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length
    return { mean, spread: Math.sqrt(variance) }
  }

  describe.each(STOCHASTIC)('%s', (name) => {
    it.each([
      ['flow', even(1, 0, 60)],
      ['exploding', [...Array.from({ length: 60 }, (_, i) => 20 * 0.9 ** i), 0]],
    ] as const)('ends in the distribution of the data (%s)', async (kind, sigmas) => {
      const [noise, shape] = [new NormalGenerator(5n).draw([VALUES]), [1, VALUES]]
      const start = noise.data.map((z) => exact(kind, z, sigmas[0]!))
      const ran = await run(name, sigmas, start, { kind, medium: seededMedium(kind, shape, 9n) })
      const { mean, spread } = statistics(ran.end)
      expect(mean).toBeCloseTo(MEAN, 1)
      // Consistency sampling takes the expected clean value for a sample, which narrows what it gives.
      if (name === 'lcm') expect(spread).toBeLessThan(SPREAD)
      else expect(Math.abs(spread / SPREAD - 1)).toBeLessThan(0.08)
    })

    it('gives the same for the same noise, and something else for another', async () => {
      const sigmas = even(1, 0, 8)
      const once = (seed: bigint) => run(name, sigmas, [1.3, 0.2], { medium: seededMedium('flow', [1, 2], seed) })
      const [first, second, other] = [await once(1n), await once(1n), await once(2n)]
      expect(first.end.data).toEqual(second.end.data)
      expect(first.end.data).not.toEqual(other.end.data)
    })
  })
})

describe('steps written out', () => {
  it('dpmpp_2m weights the past by the steps in -log(sigma), as k-diffusion does', async () => {
    const clean = (x: number, sigma: number) => expectClean('flow', x, sigma)
    const d0 = clean(2, 1)
    const first = d0 + (2 - d0) * 0.5
    const d1 = clean(first, 0.5)
    const r = Math.log(1 / 0.5) / Math.log(0.5 / 0.2)
    const aim = (1 + 1 / (2 * r)) * d1 - (1 / (2 * r)) * d0
    const second = aim + (first - aim) * 0.4
    const { end } = await run('dpmpp_2m', [1, 0.5, 0.2, 0], [2])
    expect(end.data[0]).toBeCloseTo(clean(second, 0.2), 6)
  })

  it('res_multistep weights both estimates by phi functions, as ComfyUI does', async () => {
    const clean = (x: number, sigma: number) => expectClean('flow', x, sigma)
    const d0 = clean(2, 1)
    const first = d0 + (2 - d0) * 0.5
    const d1 = clean(first, 0.5)
    const h = Math.log(0.5 / 0.2)
    const c2 = Math.log(0.5 / 1) / h
    const phi1 = Math.expm1(-h) / -h
    const phi2 = (phi1 - 1) / -h
    const second = Math.exp(-h) * first + h * ((phi1 - phi2 / c2) * d1 + (phi2 / c2) * d0)
    const { end } = await run('res_multistep', [1, 0.5, 0.2, 0], [2])
    expect(end.data[0]).toBeCloseTo(clean(second, 0.2), 6)
  })

  it('euler_ancestral of an exploding model goes down by all of the posterior variance', async () => {
    const [x, from, to] = [3, 2, 1]
    const clean = expectClean('exploding', x, from)
    const up = Math.sqrt((to ** 2 * (from ** 2 - to ** 2)) / from ** 2)
    const down = Math.sqrt(to ** 2 - up ** 2)
    const { end } = await run('euler_ancestral', [from, to], [x], { kind: 'exploding' })
    expect(end.data[0]).toBeCloseTo(x + ((x - clean) / from) * (down - from) + up * Math.sin(12.9), 5)
  })

  it('euler_ancestral of a flow model keeps the variance of the next level', async () => {
    const [x, from, to] = [1.1, 0.8, 0.5]
    const clean = expectClean('flow', x, from)
    const down = to * (1 + (to / from - 1))
    const [here, there] = [1 - to, 1 - down]
    const noise = Math.sqrt(to ** 2 - (down * here) ** 2 / there ** 2)
    const moved = (down / from) * x + (1 - down / from) * clean
    const { end } = await run('euler_ancestral', [from, to], [x])
    expect(end.data[0]).toBeCloseTo((here / there) * moved + noise * Math.sin(12.9), 6)
  })

  it('lms integrates the polynomial through its slopes, whatever the steps', async () => {
    // dx/dsigma = 3 sigma^2 where the clean value is x - 3 sigma^3: four slopes hold it exactly.
    const sigmas = [2, 1.7, 1.5, 1.1, 0.6, 0.5]
    const end = await samplers.get('lms')!.sample(
      ({ data, shape }, sigma) => Promise.resolve({ data: data.map((x) => x - 3 * sigma ** 3), shape }),
      tensor(Float32Array.of(8), [1]),
      sigmas,
      () => undefined,
      evenMedium('exploding', [1]),
    )
    const euler = 8 + 3 * 4 * (1.7 - 2)
    const two = euler + ((1.5 - 1.7) * 1.7 ** 2 * 3 + (3 * (1.7 ** 2 - 4) * (1.5 - 1.7) ** 2) / (2 * (1.7 - 2)))
    expect(end.data[0]! - two).toBeCloseTo(0.5 ** 3 - 1.5 ** 3, 4)
  })
})

describe('uni_pc', () => {
  it('holds a clean latent that is a parabola in lambda exactly, once it has a past', async () => {
    const sigmas = [5, 3.1, 2, 1.6, 0.9, 0.5]
    const lambda = (sigma: number) => -Math.log(sigma)
    const clean = (sigma: number) => lambda(sigma) ** 2
    const end = await samplers.get('uni_pc')!.sample(
      ({ data, shape }, sigma) => Promise.resolve({ data: data.map(() => clean(sigma)), shape }),
      tensor(Float32Array.of(2), [1]),
      sigmas,
      () => undefined,
      evenMedium('exploding', [1]),
    )
    // The first step is corrected by half of the change; x / sigma then grows by the integral of e^lambda lambda^2.
    const integral = (sigma: number) => (clean(sigma) - 2 * lambda(sigma) + 2) / sigma
    const [from, to] = [sigmas[0]!, sigmas[1]!]
    const h = lambda(to) - lambda(from)
    const first = (to / from) * 2 + (1 - to / from) * clean(from) + (h / 2) * (clean(to) - clean(from))
    const last = sigmas.at(-1)!
    expect(end.data[0]).toBeCloseTo(last * (first / to + integral(last) - integral(to)), 4)
  })
})

describe.each([...samplers.keys()])('%s', (name) => {
  const sampler = samplers.get(name)!
  const levels = fc
    .uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 40 })
    .map((whole) => whole.sort((a, b) => b - a).map((level) => level / 1000))
  const start = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 6 })

  it('asks exactly as often as it says, reports every step, and never at sigma 0', async () => {
    await fc.assert(
      fc.asyncProperty(levels, fc.boolean(), start, async (sigmas, toZero, values) => {
        const all = toZero ? [...sigmas, 0] : sigmas
        const { asked, steps, end } = await run(name, all, values)
        expect(asked).toHaveLength(sampler.evaluations(all))
        expect(steps).toEqual(Array.from({ length: all.length - 1 }, (_, i) => i + 1))
        expect(asked.every((sigma) => sigma > 0)).toBe(true)
        expect(end.data.every(Number.isFinite)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('begins at pure noise too', async () => {
    const { end, asked } = await run(name, even(1, 0, 7), [-1.2, 0.4])
    expect(end.data.every(Number.isFinite)).toBe(true)
    expect(asked[0]).toBeGreaterThan(0.999)
  })

  it('treats every value by itself and does not write to its input', async () => {
    await fc.assert(
      fc.asyncProperty(levels, start, async (sigmas, values) => {
        const together = await run(name, [...sigmas, 0], values)
        const alone = await Promise.all(values.map((value) => run(name, [...sigmas, 0], [value])))
        expect([...together.end.data]).toEqual(alone.map(({ end }) => end.data[0]))
      }),
      { numRuns: 30 },
    )
    const latent = tensor(Float32Array.of(1, 2), [1, 2])
    await sampler.sample(
      (x) => Promise.resolve(x),
      latent,
      [1, 0.5, 0],
      () => undefined,
      evenMedium('flow', [1, 2]),
    )
    expect([...latent.data]).toEqual([1, 2])
  })

  it('one step to 0 is the clean latent of the start', async () => {
    const { end } = await run(name, [0.9, 0], [1.5])
    expect(end.data[0]).toBeCloseTo(expectClean('flow', 1.5, 0.9), 6)
  })
})
