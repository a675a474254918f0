/** Fixed schedules: lists, intervals, cache-dit's masks, and the search for the best one. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REUSE, taylor, type Forecast } from '../../../diffusion/caching/estimators.ts'
import {
  bestMask,
  gapErrors,
  type GapError,
  type GapRule,
  type RecordedRun,
} from '../../../diffusion/caching/mask-search.ts'
import {
  evenly,
  everyNth,
  formatSteps,
  fromRuns,
  parseSteps,
  STEP_COMPUTATION_MASKS,
} from '../../../diffusion/caching/masks.ts'
import { tensor } from '../../../diffusion/tensor.ts'

describe('lists of steps', () => {
  it('are numbers and ranges, in any order', () => {
    expect(parseSteps(' 5-8, 0,1 2;2 , 12 ')).toEqual({ steps: [0, 1, 2, 5, 6, 7, 8, 12], faults: [] })
    expect(parseSteps('')).toEqual({ steps: [], faults: [] })
  })

  it('say all that is wrong with them', () => {
    const { faults } = parseSteps('0,x,-3,8-5,1.5,123456')
    expect(faults).toHaveLength(5)
    expect(faults.join()).toMatch(/'x'.*'-3'.*8-5.*'1.5'.*'123456'/)
  })

  it('are read as they are written', () => {
    const steps = fc.uniqueArray(fc.nat(500), { maxLength: 40 })
    fc.assert(
      fc.property(steps, (given) => {
        expect(parseSteps(formatSteps(given)).steps).toEqual([...given].sort((a, b) => a - b))
      }),
    )
  })
})

describe('schedules', () => {
  it('at intervals and evenly', () => {
    expect(everyNth(10, 3)).toEqual([0, 3, 6, 9])
    expect(everyNth(4, 1)).toEqual([0, 1, 2, 3])
    expect(evenly(11, 3)).toEqual([0, 5, 10])
    expect(evenly(5, 5)).toEqual([0, 1, 2, 3, 4])
    expect(evenly(5, 1)).toEqual([0])
  })

  it.each([
    ['slow', 'CCCCCCCC.CCC..CCC..CC..C...C', 18],
    ['medium', 'CCCCCC.CC...CC...CC...CC...C', 15],
    ['fast', 'CCCCCC.C...C....C.....C....C', 11],
    ['ultra', 'CCCC..C.....C......C.......C', 8],
  ] as const)("cache-dit's %s mask of 28 steps", (name, expected, count) => {
    const steps = new Set(fromRuns(STEP_COMPUTATION_MASKS[name], 28))
    expect(Array.from({ length: 28 }, (_, i) => (steps.has(i) ? 'C' : '.')).join('')).toBe(expected)
    expect(steps.size).toBe(count)
  })

  it.each(['slow', 'medium', 'fast', 'ultra'] as const)('the %s mask stretched keeps its share', (name) => {
    const share = fromRuns(STEP_COMPUTATION_MASKS[name], 28).length / 28
    for (const total of [14, 50, 56, 100]) {
      const steps = fromRuns(STEP_COMPUTATION_MASKS[name], total)
      expect([steps[0], steps.at(-1)]).toEqual([0, total - 1])
      expect(Math.abs(steps.length / total - share)).toBeLessThan(0.12)
    }
  })
})

const subsets = (total: number, count: number): number[][] =>
  count === 0
    ? [[]]
    : Array.from({ length: total }, (_, i) => i).flatMap((last) =>
        subsets(last, count - 1).map((rest) => [...rest, last]),
      )
const rule = (forecast: Forecast, over: Partial<GapRule> = {}): GapRule => ({
  forecast,
  corrected: false,
  weight: 0,
  ...over,
})
const sum = (steps: readonly number[], total: number, error: GapError): number =>
  steps.reduce((all, from, i) => all + error(steps[i - 1] ?? null, from, steps[i + 1] ?? total), 0)

describe('the best mask', () => {
  const cost = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 300, maxLength: 300 })

  it('is the cheapest of all, for errors that look back two computed steps', () => {
    fc.assert(
      fc.property(cost, fc.integer({ min: 1, max: 6 }), fc.boolean(), (values, count, forceLast) => {
        fc.pre(!forceLast || count > 1)
        const error: GapError = (before, from, to) => values[((before ?? 7) * 49 + from * 7 + to) % 300]!
        const all = subsets(7, count).filter((steps) => steps[0] === 0 && (!forceLast || steps.at(-1) === 6))
        const least = Math.min(...all.map((steps) => sum(steps, 7, error)))
        const found = bestMask(7, count, error, forceLast)
        expect(found.error).toBeCloseTo(least, 9)
        expect(sum(found.steps, 7, error)).toBeCloseTo(least, 9)
        expect(found.steps).toHaveLength(count)
      }),
      { numRuns: 60 },
    )
  })

  it('refuses a number of steps that cannot be', () => {
    const none: GapError = () => 0
    for (const count of [0, 8, 1.5]) expect(() => bestMask(7, count, none, false)).toThrow(/1 to 7/)
    expect(() => bestMask(7, 1, none, true)).toThrow(/2 to 7/)
  })
})

describe('the errors of gaps', () => {
  const sigmas = [1, 0.8, 0.6, 0.4, 0.2, 0]
  const run = (...values: number[]): RecordedRun => ({
    sigmas,
    predictions: values.map((value) => tensor(Float32Array.of(value, -value), [1, 2])),
  })

  it('are what the skipped steps leave in the latent, signs included', () => {
    const reuse = gapErrors([run(1, 2, 0, 3, 4)], rule(REUSE))
    expect(reuse(null, 0, 1)).toBe(0)
    expect(reuse(null, 0, 2)).toBeCloseTo(0.2, 6)
    // 1 too low at one step, 1 too high at the next.
    expect(reuse(null, 0, 3)).toBeCloseTo(0, 6)
    expect(reuse(0, 1, 5)).toBeCloseTo(0.2 * Math.abs(2 - 1 - 2), 6)
  })

  it('are nothing for a line that is forecast, from two computed steps on', () => {
    const line = gapErrors([run(1, 2, 3, 4, 5)], rule(taylor(1)))
    expect(line(0, 1, 5)).toBeCloseTo(0, 6)
    expect(line(null, 0, 2)).toBeCloseTo(0.2, 6)
  })

  it('are the rms over runs', () => {
    const both = gapErrors([run(0, 3, 0, 0, 0), run(0, 4, 0, 0, 0)], rule(REUSE))
    expect(both(null, 0, 2)).toBeCloseTo(0.2 * Math.sqrt((9 + 16) / 2), 6)
  })

  it('count by the noise level at which the gap begins', () => {
    const weighed = gapErrors([run(1, 2, 0, 3, 4)], rule(REUSE, { weight: 2 }))
    expect(weighed(null, 0, 2)).toBeCloseTo(0.2, 6)
    expect(weighed(0, 1, 5)).toBeCloseTo(0.8 ** 2 * 0.2 * Math.abs(2 - 1 - 2), 6)
  })

  it('are what a correction leaves: nothing of a parabola between three computed steps, something after the last', () => {
    const parabola = run(...sigmas.slice(0, 5).map((sigma) => 3 * sigma ** 2 - sigma))
    const [plain, corrected] = [false, true].map((is) => gapErrors([parabola], rule(taylor(1), { corrected: is })))
    expect(corrected!(0, 1, 4)).toBeCloseTo(0, 6)
    expect(plain!(0, 1, 4)).toBeGreaterThan(0.01)
    expect(corrected!(0, 1, 5)).toBeCloseTo(plain!(0, 1, 5), 6)
    // Between two, a line: what is left of 3 sigma^2 at 0.8 between 1 and 0.6 is 3 * 0.2 * 0.2 over a step of 0.2.
    expect(corrected!(null, 0, 2)).toBeCloseTo(0.2 * 0.12, 6)
  })
})
