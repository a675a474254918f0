/** Every schedule in the folder: ComfyUI's values, and what all schedules have in common. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { schedules } from '../../../diffusion/registry.ts'
import { betaDistribution, betaQuantile } from '../../../diffusion/schedules/beta.ts'

const flow = (shift: number, trainSteps = 1000) => ({ kind: 'flow', shift, trainSteps }) as const
const sigmasOf = (name: string, steps: number, shift: number, denoise = 1) =>
  runSigmas(schedules.get(name)!, steps, denoise, flow(shift))
const near = (values: readonly number[], digits = 6): unknown[] =>
  values.map((value): unknown => expect.closeTo(value, digits))

it('the folder holds the schedules under their names', () => {
  const known = [
    'beta',
    'ddim_uniform',
    'exponential',
    'karras',
    'kl_optimal',
    'linear_quadratic',
    'normal',
    'sgm_uniform',
  ]
  expect([...schedules.keys()]).toEqual(expect.arrayContaining([...known, 'simple']))
})

describe('values', () => {
  it('simple takes every n-th training level', () => {
    expect(sigmasOf('simple', 4, 1)).toEqual([1, 0.75, 0.5, 0.25, 0])
    // Index 1000 - 1 - trunc(i 1000 / 3): levels 1000, 667, 334.
    expect(sigmasOf('simple', 3, 1)).toEqual(near([1, 0.667, 0.334, 0]))
    expect(sigmasOf('simple', 4, 3)).toEqual(near([1, 0.9, 0.75, 0.5, 0]))
  })

  it('normal includes both ends of the range, the lower one shifted twice', () => {
    expect(sigmasOf('normal', 3, 1)).toEqual(near([1, 0.5005, 0.001, 0]))
    const lowest = (3 * 0.001) / 1.002
    const middle = (1 + lowest) / 2
    const shifted = (t: number) => (3 * t) / (1 + 2 * t)
    expect(sigmasOf('normal', 3, 3)).toEqual(near([1, shifted(middle), shifted(lowest), 0], 7))
    // diffusers' FlowMatchEulerDiscreteScheduler with shift 3 ends its 20 steps on the same level.
    expect(sigmasOf('normal', 20, 3).at(-2)).toBeCloseTo(0.008928571827709675, 8)
  })

  it('sgm_uniform leaves the lowest level out', () => {
    expect(sigmasOf('sgm_uniform', 2, 1)).toEqual(near([1, 0.5005, 0]))
    expect(sigmasOf('sgm_uniform', 4, 1)[1]).toBeCloseTo(1 - 0.999 / 4, 7)
  })

  it('karras is even in the seventh root', () => {
    const sigmas = sigmasOf('karras', 5, 1).slice(0, -1)
    const roots = sigmas.map((sigma) => sigma ** (1 / 7))
    const gaps = roots.slice(1).map((root, i) => root - roots[i]!)
    expect(gaps).toEqual(near([gaps[0]!, gaps[0]!, gaps[0]!, gaps[0]!]))
    expect([sigmas[0], sigmas[4]]).toEqual(near([1, 0.001], 9))
  })

  it('exponential halves as often in each step', () => {
    const sigmas = sigmasOf('exponential', 4, 1)
    expect(sigmas).toEqual(near([1, 0.1, 0.01, 0.001, 0]))
  })

  it('ddim_uniform begins at the second level and may be longer than asked', () => {
    expect(sigmasOf('ddim_uniform', 4, 1)).toEqual(near([0.752, 0.502, 0.252, 0.002, 0]))
    expect(sigmasOf('ddim_uniform', 30, 1)).toHaveLength(32)
  })

  it('linear_quadratic removes a fortieth of the noise in the first half of the steps', () => {
    // Mochi's schedule for 8 steps: i 0.025 / 4, then the parabola that meets it with its slope and ends at 1.
    const sigmas = sigmasOf('linear_quadratic', 8, 1)
    expect(sigmas.slice(0, 5)).toEqual(near([1, 0.99375, 0.9875, 0.98125, 0.975]))
    expect(sigmas.at(-1)).toBe(0)
    const [before, after] = [sigmas[4]! - sigmas[5]!, sigmas[5]! - sigmas[6]!]
    expect(sigmas[6]! - sigmas[7]! - after).toBeCloseTo(after - before, 6)
    expect(sigmasOf('linear_quadratic', 1, 3)).toEqual([1, 0])
  })

  it('kl_optimal is even in the arc tangent', () => {
    const angles = sigmasOf('kl_optimal', 5, 1).slice(0, -1).map(Math.atan)
    const gap = (Math.atan(0.001) - Math.PI / 4) / 4
    expect(angles).toEqual(near([0, 1, 2, 3, 4].map((i) => Math.PI / 4 + i * gap)))
    expect(sigmasOf('kl_optimal', 1, 1)).toEqual([1, 0])
  })

  it('samplers of half steps leave out the last level above 0', () => {
    const plain = runSigmas(schedules.get('simple')!, 5, 1, flow(1))
    const skipping = runSigmas(schedules.get('simple')!, 4, 1, flow(1), { skipsPenultimate: true })
    expect(skipping).toEqual([...plain.slice(0, 4), 0])
  })

  it('beta takes the levels that the quantiles of SciPy round to, each once', () => {
    // numpy.rint(scipy.stats.beta.ppf(1 - numpy.linspace(0, 1, 20, endpoint=False), 0.6, 0.6) * 999)
    const indices = [999, 986, 959, 922, 876, 823, 765, 703, 637, 569, 500, 430, 362, 296, 234, 176, 123, 77, 40, 13]
    expect(sigmasOf('beta', 20, 1)).toEqual([...indices.map((index) => Math.fround((index + 1) / 1000)), 0])
    expect(sigmasOf('beta', 900, 1).length).toBeLessThan(901)
  })

  it('the Beta distribution has its closed forms, and its quantile undoes it', () => {
    for (const x of [1e-6, 0.01, 0.2, 0.5, 0.77, 0.999]) {
      expect(betaDistribution(0.5, x)).toBeCloseTo((2 / Math.PI) * Math.asin(Math.sqrt(x)), 12)
      expect(betaDistribution(1, x)).toBeCloseTo(x, 12)
      expect(betaDistribution(2, x)).toBeCloseTo(3 * x * x - 2 * x ** 3, 12)
      expect(betaQuantile(0.6, betaDistribution(0.6, x))).toBeCloseTo(x, 9)
    }
  })
})

describe('img2img', () => {
  it('takes the last steps of a longer schedule', () => {
    expect(sigmasOf('simple', 4, 1, 0.5)).toEqual(sigmasOf('simple', 8, 1).slice(-5))
    expect(sigmasOf('simple', 4, 1, 0.5)[0]).toBe(0.5)
    expect(sigmasOf('normal', 10, 2, 0.3)).toEqual(sigmasOf('normal', 33, 2).slice(-11))
  })

  it('denoise 0 leaves nothing to do', () => {
    expect(sigmasOf('simple', 20, 1, 0)).toEqual([])
  })
})

it('every schedule falls strictly from at most the highest level to 0, in at most as many steps as asked', () => {
  const steps = fc.integer({ min: 1, max: 1200 })
  const shift = fc.double({ min: 0.3, max: 12, noNaN: true })
  const denoise = fc.double({ min: 0.4, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.constantFrom(...schedules.keys()), steps, shift, denoise, (name, count, s, share) => {
      const sigmas = sigmasOf(name, count, s, share)
      expect(sigmas.at(-1)).toBe(0)
      expect(sigmas[0]).toBeLessThanOrEqual(1)
      expect(sigmas.every((sigma, i) => i === 0 || sigma < sigmas[i - 1]!)).toBe(true)
      if (name === 'ddim_uniform') return
      expect(sigmas.length).toBeLessThanOrEqual(count + 1)
      if (count <= 100 && share === 1 && name !== 'beta') expect(sigmas).toHaveLength(count + 1)
    }),
    { numRuns: 60 },
  )
})
