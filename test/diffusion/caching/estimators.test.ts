/** Reuse and Taylor forecasts of residuals, against values computed by hand. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Call, Hidden } from '../../../diffusion/caching/contract.ts'
import {
  forecastValue,
  learn,
  ResidualEstimator,
  REUSE,
  taylor,
  type Differences,
  type Forecast,
} from '../../../diffusion/caching/estimators.ts'
import { tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'

const vector = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, values.length, 1])
const at = (index: number, sigma = 1 - index / 10): Call => ({
  index,
  total: 10,
  sigma,
  timestep: 1000 * sigma,
  sigmas: [1, 0.5, 0],
  guidance: 1,
  progress: index / 10,
  latent: vector(0),
  sample: 0,
  branches: ['cond'],
})
/** [index, value] of computed evaluations, taken in one after the other. */
const learnt = (forecast: Forecast, ...computed: (readonly [index: number, value: number])[]): Differences =>
  computed.reduce<Differences | null>(
    (known, [index, value]) => learn(known, at(index), vector(value), forecast),
    null,
  )!
const forecastAt = (known: Differences, call: Call, forecast: Forecast): number =>
  forecastValue(known, call, forecast).data[0]!

describe('Taylor forecast along the evaluations', () => {
  const early = [
    [0, 1],
    [1, 2],
    [2, 4],
  ] as const

  it.each([
    [0, [4, 4], [16, 16]],
    [1, [6, 8], [20, 24]],
    [2, [6.5, 10], [16 + 4 + 1 / 3, 16 + 8 + 4 / 3]],
  ])('order %i', (order, after2, after5) => {
    const forecast = taylor(order)
    const known = learnt(forecast, ...early)
    expect([3, 4].map((index) => forecastAt(known, at(index), forecast))).toEqual(after2)
    const later = learnt(forecast, ...early, [5, 16])
    const got = [6, 7].map((index) => forecastAt(later, at(index), forecast))
    got.forEach((value, i) => expect(value).toBeCloseTo(after5[i]!, 5))
  })

  it('takes slopes from the third evaluation on where the first two are warm-up', () => {
    const forecast = { ...taylor(2), slopesFrom: 2 }
    // No slope is known at evaluation 1, so none of the slopes at 2.
    expect(forecastAt(learnt(forecast, [0, 1], [1, 2]), at(2), forecast)).toBe(2)
    expect(forecastAt(learnt(forecast, ...early), at(4), forecast)).toBe(8)
    expect(forecastAt(learnt(forecast, ...early, [5, 16]), at(7), forecast)).toBeCloseTo(25 + 1 / 3, 5)
  })

  it('adds to a base where there is one', () => {
    const forecast = taylor(1)
    expect([...forecastValue(learnt(forecast, ...early), at(4), forecast, vector(100)).data]).toEqual([108])
  })

  it('keeps one tensor more than its order, and no more than the history gives', () => {
    const terms = (order: number, count: number) => learnt(taylor(order), ...early.slice(0, count)).terms.length
    expect([terms(0, 3), terms(1, 3), terms(2, 3), terms(4, 3), terms(4, 1)]).toEqual([1, 2, 3, 3, 1])
  })

  it('goes no further than its reach, in lengths of the last gap', () => {
    const forecast = { ...taylor(1), reach: 0.5 }
    const known = learnt(forecast, [0, 1], [4, 9])
    expect([5, 6, 7, 9].map((index) => forecastAt(known, at(index), forecast))).toEqual([11, 13, 13, 13])
  })
})

describe('Taylor forecast along sigma', () => {
  const forecast: Forecast = { ...taylor(1), axis: 'sigma' }
  const known = learn(learn(null, at(0, 1), vector(3), forecast), at(1, 0.5), vector(5), forecast)!

  it('is a line in sigma, whatever the spacing of the evaluations', () => {
    expect(forecastAt(known, at(2, 0.25), forecast)).toBe(6)
    expect(forecastAt(known, at(9, 0), forecast)).toBe(7)
  })

  it('limits its reach on the falling axis too', () => {
    expect(forecastAt(known, at(9, 0), { ...forecast, reach: 0.25 })).toBe(5.5)
  })

  it('two evaluations at one sigma: the newer value, the older slope', () => {
    const again = learn(known, at(2, 0.5), vector(6), forecast)!
    expect(forecastAt(again, at(3, 0.25), forecast)).toBe(7)
    expect(forecastAt(again, at(3, 0), { ...forecast, reach: 0.5 })).toBe(7)
  })
})

describe('what holds for every forecast', () => {
  const value = fc.integer({ min: -100, max: 100 })

  it('order 1 is exact on a line, order 0 on a constant', () => {
    fc.assert(
      fc.property(value, value, fc.uniqueArray(fc.nat(20), { minLength: 2, maxLength: 6 }), (a, b, places) => {
        const indices = [...places].sort((x, y) => x - y)
        const line = learnt(taylor(1), ...indices.map((index) => [index, a + b * index] as const))
        expect(forecastAt(line, at(25), taylor(1))).toBeCloseTo(a + b * 25, 1)
        const constant = learnt(REUSE, ...indices.map((index) => [index, a] as const))
        expect(forecastAt(constant, at(25), REUSE)).toBe(a)
      }),
    )
  })

  it('a value that is not finite is not built on', () => {
    const known = learnt(taylor(1), [0, 1])
    expect(learn(known, at(1), vector(NaN), taylor(1))).toBeNull()
    expect(learn(known, at(1), vector(1, Infinity), taylor(1))).toBeNull()
  })
})

describe('ResidualEstimator', () => {
  const hidden = (image: number[], text: number[] | null): Hidden => ({
    image: vector(...image),
    text: text && vector(...text),
    context: 'kept',
  })

  it('adds what the range added to the tokens of now, in both streams', () => {
    const estimator = new ResidualEstimator(taylor(1), 'image and text')
    expect(estimator.ready).toBe(false)
    estimator.learn(at(0), hidden([1, 2], [1]), hidden([2, 4], [11]))
    estimator.learn(at(1), hidden([5, 5], [2]), hidden([8, 9], [32]))
    expect(estimator.ready).toBe(true)
    const { image, text, context } = estimator.estimate(at(3), hidden([100, 200], [1000]))
    expect([[...image.data], [...text!.data], context]).toEqual([[100 + 3 + 4, 200 + 4 + 4], [1000 + 30 + 40], 'kept'])
  })

  it('leaves the text alone where only the image is asked for, or there is no text', () => {
    const image = new ResidualEstimator(REUSE, 'image')
    image.learn(at(0), hidden([1], [1]), hidden([2], [5]))
    expect([...image.estimate(at(1), hidden([1], [7])).text!.data]).toEqual([7])
    const alone = new ResidualEstimator(REUSE, 'image and text')
    alone.learn(at(0), hidden([1], null), hidden([2], null))
    expect(alone.estimate(at(1), hidden([1], null))).toEqual(hidden([2], null))
  })

  it('keeps no tensor that it was given', () => {
    const estimator = new ResidualEstimator(taylor(1), 'image and text')
    const [input, output] = [hidden([1], [1]), hidden([2], [3])]
    estimator.learn(at(0), input, output)
    for (const { image, text } of [input, output]) [image, text!].forEach(({ data }) => data.fill(-7))
    const { image, text } = estimator.estimate(at(1), hidden([0], [0]))
    expect([image.data[0], text!.data[0]]).toEqual([1, 2])
  })

  it.each([
    ['image', hidden([NaN], [1])],
    ['text', hidden([1], [NaN])],
  ])('is not ready after a computed evaluation whose %s is not finite, and throws', (_, output) => {
    const estimator = new ResidualEstimator(taylor(1), 'image and text')
    estimator.learn(at(0), hidden([1], [1]), hidden([2], [2]))
    estimator.learn(at(1), hidden([1], [1]), output)
    expect(estimator.ready).toBe(false)
    expect(() => estimator.estimate(at(2), hidden([1], [1]))).toThrow(/computed evaluation/)
    estimator.learn(at(3), hidden([1], [1]), hidden([3], [3]))
    expect(estimator.estimate(at(4), hidden([0], [0])).image.data[0]).toBe(2)
  })

  it('an all-zero residual gives the input', () => {
    const estimator = new ResidualEstimator(taylor(2), 'image')
    for (const index of [0, 1, 2]) estimator.learn(at(index), hidden([4], null), hidden([4], null))
    expect(estimator.estimate(at(3), { image: zeros([1, 1, 1]), text: null, context: null }).image.data[0]).toBe(0)
  })
})
