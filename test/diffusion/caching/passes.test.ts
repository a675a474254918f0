/** Passes over tokens that give several results at once: each is what its parts give one by one, at any length. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayWriteOver, REUSE, ResidualEstimator } from '../../../diffusion/caching/estimators.ts'
import { renew, residualDistance, sizedDifference } from '../../../diffusion/caching/passes.ts'
import { add, meanAbs, meanAbsDifference, sub, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import type { Call, Facts, Hidden } from '../../../diffusion/caching/contract.ts'

const row = (values: ArrayLike<number>): Tensor => tensor(Float32Array.from(values), [1, values.length, 1])
/** Tensors of one length, whole blocks of four and the rests of them. */
const tensors = (count: number) =>
  fc
    .integer({ min: 1, max: 23 })
    .chain((length) =>
      fc.tuple(
        ...Array.from({ length: count }, () =>
          fc.float32Array({ minLength: length, maxLength: length, noNaN: true, min: -100, max: 100 }).map(row),
        ),
      ),
    )

describe('one pass', () => {
  it('adds and takes away each value', () => {
    fc.assert(
      fc.property(tensors(2), ([a, b]) => {
        expect([...add(a!, b!).data]).toEqual([...a!.data].map((x, i) => Math.fround(x + b!.data[i]!)))
        expect([...sub(a!, b!).data]).toEqual([...a!.data].map((x, i) => Math.fround(x - b!.data[i]!)))
      }),
    )
  })

  it('gives a difference and its size', () => {
    fc.assert(
      fc.property(tensors(2), ([a, b]) => {
        const { tokens, size } = sizedDifference(a!, b!)
        expect(tokens.data).toEqual(sub(a!, b!).data)
        expect(size).toBeCloseTo(meanAbs(tokens), 9)
      }),
    )
  })

  it('gives the distance of a residual that is written nowhere', () => {
    fc.assert(
      fc.property(tensors(3), ([after, before, kept]) => {
        expect(residualDistance(after!, before!, kept!)).toBeCloseTo(meanAbsDifference(sub(after!, before!), kept!), 9)
        expect(residualDistance(after!, before!, sub(after!, before!))).toBe(0)
      }),
    )
  })

  it('renews a copy and tells how far it moved', () => {
    fc.assert(
      fc.property(tensors(2), ([before, now]) => {
        const [kept, moved] = [row(before!.data), meanAbsDifference(now!, before!)]
        const renewed = renew(now!, kept)
        expect(renewed.moved).toBeCloseTo(moved, 9)
        expect(renewed.size).toBeCloseTo(meanAbs(now!), 9)
        expect(renewed.tokens.data).toBe(kept.data)
        expect(kept.data).toEqual(now!.data)
      }),
    )
  })

  it('has nothing to compare with at first, nor what is not finite', () => {
    expect(renew(row([1, 2, 3])).moved).toBeNaN()
    expect(renew(row([1, 2, 3]), row([1, 2])).moved).toBeNaN()
    for (const length of [1, 4, 6])
      for (let i = 0; i < length; i++) {
        const broken = row(Array.from({ length }, (_, k) => (k === i ? NaN : 1)))
        expect(renew(broken, row(new Float32Array(length))).size).toBeNaN()
        expect(sizedDifference(broken, row(new Float32Array(length))).size).toBeNaN()
      }
  })
})

describe('an estimate over the tokens it is made from', () => {
  const call = { index: 0, sigma: 1 } as Call
  const hidden = (...values: number[]): Hidden => ({ image: row(values), text: null, context: null })

  it('is the same, in their memory; otherwise they stay as they are', () => {
    const estimator = new ResidualEstimator(REUSE, 'image')
    estimator.learn(call, hidden(1, 1, 1), hidden(2, 3, 4))
    const [apart, over] = [hidden(5, 6, 7), hidden(5, 6, 7)]
    expect([...estimator.estimate(call, apart).image.data]).toEqual([6, 8, 10])
    expect([...apart.image.data]).toEqual([5, 6, 7])
    expect(estimator.estimate(call, over, true).image.data).toBe(over.image.data)
    expect([...over.image.data]).toEqual([6, 8, 10])
  })

  it('is not for U-Nets, whose tokens are skip tensors too', () => {
    const facts = { depth: 4 } as Facts
    expect(mayWriteOver({ facts })).toBe(true)
    expect(mayWriteOver({ facts: { ...facts, skips: 2 } })).toBe(false)
  })
})
