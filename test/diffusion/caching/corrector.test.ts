/** The corrector and the error budget, against values computed by hand and against what they must do for simple velocities. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Call } from '../../../diffusion/caching/contract.ts'
import { Corrector, stepOf } from '../../../diffusion/caching/corrector.ts'
import { ErrorBudget } from '../../../diffusion/caching/error-budget.ts'
import { PredictionEstimator, type Forecast } from '../../../diffusion/caching/estimators.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'

const LEVELS = [1, 0.9, 0.7, 0.6, 0.45, 0.3, 0.2, 0.05, 0]
const callOn = (sigmas: readonly number[], index: number): Call => ({
  index,
  total: sigmas.length - 1,
  sigma: sigmas[index]!,
  timestep: 1000 * sigmas[index]!,
  sigmas,
  guidance: 1,
  progress: 1 - sigmas[index]! / sigmas[0]!,
  latent: tensor(Float32Array.of(0), [1]),
  sample: 0,
  branches: ['cond'],
})
const value = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, values.length])
const line = (reach: number): Forecast => ({ order: 1, axis: 'sigma', reach, slopesFrom: 0 })

/** Plays a velocity that depends on sigma alone through estimator and corrector, as ForecastCache does; the latent after each step. */
function play(
  velocity: (sigma: number) => number,
  mask: readonly number[],
  { reach = 0.5, corrects = true, levels = LEVELS } = {},
): number[] {
  const [estimator, corrector] = [new PredictionEstimator(line(reach)), new Corrector()]
  let x = 0
  return levels.slice(0, -1).map((sigma, index) => {
    const call = callOn(levels, index)
    let stepped: Tensor
    if (mask.includes(index)) {
      const kept = estimator.learn(call, value(velocity(sigma)))
      stepped = corrects ? corrector.computed(call, kept) : kept
    } else {
      stepped = estimator.estimate(call)
      corrector.skipped(call, stepped)
    }
    x += stepOf(call) * stepped.data[0]!
    return x
  })
}

/** Plain Euler steps. */
const plain = (velocity: (sigma: number) => number, levels = LEVELS): number[] =>
  play(
    velocity,
    levels.map((_, i) => i),
  )

describe('the corrector', () => {
  it('leaves a constant velocity and, the cap not active, a linear one as they are: nothing to correct', () => {
    for (const velocity of [() => 3, (sigma: number) => 2 - 5 * sigma]) {
      const [corrected, forecast] = [true, false].map((corrects) =>
        play(velocity, [0, 1, 4, 6], { reach: Infinity, corrects }),
      )
      corrected!.forEach((x, i) => expect(x).toBeCloseTo(forecast![i]!, 5))
      plain(velocity).forEach((x, i) => expect(corrected![i]).toBeCloseTo(x, 5))
    }
  })

  it('gives the same prediction back, the very tensor, where nothing was skipped', () => {
    const corrector = new Corrector()
    for (const index of [0, 1, 2]) {
      const own = value(index)
      expect(corrector.computed(callOn(LEVELS, index), own)).toBe(own)
    }
  })

  it('is exact for a parabola after the third computed step, whatever the cap', () => {
    const coefficient = fc.integer({ min: -5, max: 5 })
    fc.assert(
      fc.property(coefficient, coefficient, coefficient, fc.constantFrom(0.3, 0.5, Infinity), (a, b, c, reach) => {
        const velocity = (sigma: number) => a * sigma ** 2 + b * sigma + c
        const corrected = play(velocity, [0, 1, 4, 7], { reach })
        const euler = plain(velocity)
        for (const index of [4, 7]) expect(corrected[index]).toBeCloseTo(euler[index]!, 4)
      }),
    )
  })

  it('draws a line where only one computed step lies before, through it and the new one', () => {
    // v = sigma^2, computed at 1, 0.7: the skipped step at 0.9 was held at 1, the line says 0.83.
    const [, , x] = play((sigma) => sigma ** 2, [0, 2])
    expect(x).toBeCloseTo(-0.1 - 0.2 * (1 - (1 - 0.49) / 3) - 0.1 * 0.49, 6)
  })

  it('weighs the newest two computed steps before, in their order', () => {
    const square = (sigma: number) => sigma ** 2
    const levels = [1, 0.8, 0.6, 0.4, 0.2, 0]
    const x = play((sigma) => (sigma === 1 ? 100 : square(sigma)), [0, 1, 2, 4], { levels, reach: 0 })
    // The first value does not enter: three newer ones make the parabola, exact at 0.4.
    const expected = -0.2 * (100 + square(0.8) + square(0.6) + square(0.4) + square(0.2))
    expect(x[4]).toBeCloseTo(expected, 4)
  })

  it('starts anew after it was told to forget', () => {
    const corrector = new Corrector()
    corrector.computed(callOn(LEVELS, 0), value(1))
    corrector.skipped(callOn(LEVELS, 1), value(7))
    corrector.forget()
    const own = value(2)
    expect(corrector.computed(callOn(LEVELS, 2), own)).toBe(own)
  })
})

describe('the error budget', () => {
  const evenly = Array.from({ length: 31 }, (_, i) => 1 - i / 30)
  /** Steps computed with errors that a forecast misses `error` times the way. */
  const computedSteps = (tau: number, error: number, levels = evenly): number[] => {
    const budget = new ErrorBudget(tau)
    const computed: number[] = []
    for (let index = 0; index < levels.length - 1; index++) {
      const call = callOn(levels, index)
      if (budget.allows(call)) continue
      const way = computed.length === 0 ? 0 : levels[computed.at(-1)!]! - call.sigma
      budget.computed(call, computed.length === 0 ? null : error * way)
      computed.push(index)
    }
    return computed
  }

  it('computes the first two, then skips while the sum of rate times way times step stays below tau sqrt(sigma)', () => {
    // By hand: at step 1 (sigma 29/30) the rate is 3; the skips j cost 3 * (j - 1) / 30 / 30: 1, 2, 3, ... times 1/300.
    const limit = 0.02 * Math.sqrt(29 / 30)
    let [spent, first] = [0, 1]
    while (spent <= limit) spent += (3 * first++) / 900
    expect(computedSteps(0.02, 3).slice(0, 3)).toEqual([0, 1, first])
  })

  it('computes more at less, everything at 0 for any error, and shares stay with twice the steps at half of them', () => {
    const count = (tau: number, levels = evenly) => computedSteps(tau, 2, levels).length
    expect(count(0.01)).toBeGreaterThan(count(0.03))
    expect(count(0)).toBe(30)
    const fine = Array.from({ length: 61 }, (_, i) => 1 - i / 60)
    // (30 / N)^2 goes with half the error over half the way: the same number of steps is skipped.
    expect(Math.abs(count(0.02, fine) / 2 - count(0.02))).toBeLessThanOrEqual(2)
  })

  it('computes when an error is no number, and keeps its rate where two evaluations share a level', () => {
    const budget = new ErrorBudget(1)
    budget.computed(callOn(evenly, 0), null)
    budget.computed(callOn(evenly, 1), NaN)
    expect(budget.allows(callOn(evenly, 2))).toBe(false)
    budget.computed(callOn(evenly, 2), 0.001)
    budget.computed(callOn(evenly, 2), 9)
    expect(budget.allows(callOn(evenly, 3))).toBe(true)
    expect(budget.spent).toBeCloseTo(0.03 * (1 / 30) ** 2, 8)
  })
})
