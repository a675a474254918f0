/** Every sampler in the folder, on a flow whose answer is known: how fast it converges, and what all samplers have in common. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { samplers } from '../../../diffusion/registry.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'

const MEAN = 0.7
const SPREAD = 0.4

/** The clean latent expected at x when the data are normal with MEAN and SPREAD. */
const expectClean = (x: number, sigma: number): number => {
  const variance = ((1 - sigma) * SPREAD) ** 2 + sigma ** 2
  return MEAN + ((1 - sigma) * SPREAD ** 2 * (x - (1 - sigma) * MEAN)) / variance
}

/** Where the flow from noise z at sigma 1 is at `sigma`. */
const exact = (z: number, sigma: number): number =>
  (1 - sigma) * MEAN + Math.sqrt(((1 - sigma) * SPREAD) ** 2 + sigma ** 2) * z

const even = (from: number, to: number, steps: number): number[] =>
  Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps)

interface Ran {
  readonly end: Tensor
  readonly asked: readonly number[]
  readonly steps: readonly number[]
}

async function run(name: string, sigmas: readonly number[], start: readonly number[]): Promise<Ran> {
  const [asked, steps]: [number[], number[]] = [[], []]
  const end = await samplers.get(name)!.sample(
    (latent, sigma) => {
      asked.push(sigma)
      return Promise.resolve({ data: latent.data.map((x) => expectClean(x, sigma)), shape: latent.shape })
    },
    tensor(Float32Array.from(start), [1, start.length]),
    sigmas,
    (done) => steps.push(done),
  )
  return { end, asked, steps }
}

/** How the error at sigma 0.1 shrinks when the steps are doubled, as a power of two. */
async function orderOf(name: string): Promise<number> {
  const errorAt = async (steps: number) => {
    const { end } = await run(name, even(1, 0.1, steps), [1.3])
    return Math.abs(end.data[0]! - exact(1.3, 0.1))
  }
  return Math.log2((await errorAt(16)) / (await errorAt(32)))
}

it('the folder holds the samplers under their names', () => {
  expect([...samplers.keys()].sort()).toEqual(['dpmpp_2m', 'euler', 'heun', 'uni_pc_bh2'])
})

describe('order of convergence', () => {
  it.each([
    ['euler', 0.8, 1.2],
    ['heun', 1.8, 2.4],
    ['dpmpp_2m', 1.7, 2.6],
    ['uni_pc_bh2', 1.7, 3.4],
  ] as const)('%s', async (name, low, high) => {
    const order = await orderOf(name)
    expect(order).toBeGreaterThan(low)
    expect(order).toBeLessThan(high)
  })
})

describe('dpmpp_2m', () => {
  it('weights the past by the steps in -log(sigma), as k-diffusion does', async () => {
    const sigmas = [1, 0.5, 0.2, 0]
    const d0 = expectClean(2, 1)
    const first = d0 + (2 - d0) * 0.5
    const d1 = expectClean(first, 0.5)
    const r = Math.log(1 / 0.5) / Math.log(0.5 / 0.2)
    const aim = (1 + 1 / (2 * r)) * d1 - (1 / (2 * r)) * d0
    const second = aim + (first - aim) * 0.4
    const { end } = await run('dpmpp_2m', sigmas, [2])
    expect(end.data[0]).toBeCloseTo(expectClean(second, 0.2), 6)
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
    )
    expect([...latent.data]).toEqual([1, 2])
  })

  it('one step to 0 is the clean latent of the start', async () => {
    const { end } = await run(name, [0.9, 0], [1.5])
    expect(end.data[0]).toBeCloseTo(expectClean(1.5, 0.9), 6)
  })
})
