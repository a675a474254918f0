/** The estimate of a skipped evaluation's output: the published alignment, and the fit over more anchors. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anchorAfter, estimateOutput, type Anchor } from '../../../diffusion/caching/residuals.ts'
import { relativeL1, tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'

const row = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, values.length, 1])
/** Anchors of evaluations in this order, given what the probe and the whole stack added. */
const chain = (...pairs: (readonly [probe: number[], whole: number[]])[]): Anchor[] =>
  pairs.reduce<Anchor[]>((anchors, [probe, whole]) => {
    const nothing = zeros([1, probe.length, 1])
    return [...anchors, anchorAfter(anchors.at(-1), { input: nothing, probed: row(...probe), output: row(...whole) })!]
  }, [])
const published = { min: 1, max: 1.5 }

describe('relativeL1', () => {
  it('divides by what came before', () => {
    const [before, now] = [row(1, -2, 3, -4), row(1.1, -2.2, 3.3, -4.4)]
    expect(relativeL1(now, before)).toBeCloseTo(0.1, 6)
    expect(relativeL1(before, now)).toBeCloseTo(0.25 / 2.75, 6)
  })
})

describe('two anchors', () => {
  const anchors = chain(
    [
      [4, 0],
      [40, 0],
    ],
    [
      [6, 0],
      [60, 0],
    ],
  )
  const at = (probe: number[], limits = published) => estimateOutput(row(0, 0), row(...probe), anchors, limits)

  it.each([
    [[8, 0], 1.5, 70],
    [[6.5, 0], 1.25, 65],
    [[4.5, 0], 1, 60],
    [[0, 0], 1.5, 70],
  ])('a probe residual of %j gives gain %d', (probe, gain, whole) => {
    const estimate = at(probe)
    expect(estimate.gain).toBe(gain)
    expect([...estimate.image.data]).toEqual([whole, 0])
  })

  it('takes the limits as they are set', () => {
    expect(at([8, 0], { min: 1, max: 2 }).gain).toBe(2)
    expect(at([4.5, 0], { min: 0, max: Infinity }).gain).toBe(0.25)
  })

  it('anchors whose probes agree, and a probe that is not finite, count as gain 1', () => {
    const same = chain(
      [
        [4, 0],
        [40, 0],
      ],
      [
        [4, 0],
        [60, 0],
      ],
    )
    const still = estimateOutput(row(0, 0), row(9, 0), same, published)
    expect([still.gain, still.image.data[0]]).toEqual([1, 60])
    expect(at([NaN, 0]).gain).toBe(1)
  })

  it('an evaluation that is not finite gives no anchor', () => {
    const still = row(0, 0)
    expect(anchorAfter(anchors[1], { input: still, probed: row(NaN, 1), output: row(1, 1) })).toBeNull()
    expect(anchorAfter(undefined, { input: still, probed: row(1, 1), output: row(1, Infinity) })).toBeNull()
    expect(anchorAfter(anchors[1], { input: still, probed: row(7, 2), output: row(1, 1) })?.moved).toBe(1.5)
  })

  it('adds the residual to the tokens of now', () => {
    expect([...estimateOutput(row(10, 20), row(14, 20), anchors, published).image.data]).toEqual([70, 20])
  })
})

describe('one anchor', () => {
  it('is reused as it is, with no gain to report', () => {
    const { image, gain } = estimateOutput(
      row(1, 2),
      row(9, 9),
      chain([
        [4, 0],
        [40, 4],
      ]),
      published,
    )
    expect([...image.data, gain]).toEqual([41, 6, null])
  })
})

describe('more anchors', () => {
  const far = { min: 1, max: 100 }

  it('finds the way along each direction that the probes have gone', () => {
    // Two independent directions: the whole residual is a linear function of the probe's.
    const anchors = chain(
      [
        [1, 0],
        [10, 1],
      ],
      [
        [2, 0],
        [20, 1],
      ],
      [
        [2, 1],
        [20, 6],
      ],
    )
    const { image } = estimateOutput(row(0, 0), row(5, 3), anchors, far)
    expect(image.data[0]).toBeCloseTo(50, 3)
    expect(image.data[1]).toBeCloseTo(16, 3)
  })

  it('sees that a probe went back, where the published ratio goes on', () => {
    const anchors = chain([[1], [10]], [[2], [20]], [[3], [30]])
    expect(estimateOutput(row(0), row(2.5), anchors, far).image.data[0]).toBeCloseTo(25, 3)
    expect(estimateOutput(row(0), row(2.5), anchors.slice(1), far).image.data[0]).toBe(30)
  })

  it('keeps the step within the gain limit', () => {
    const anchors = chain([[1], [10]], [[2], [20]], [[3], [30]])
    const { image, gain } = estimateOutput(row(0), row(9), anchors, published)
    expect([gain, image.data[0]]).toEqual([1.5, 35])
  })

  it('is finite for any finite residuals, and the newest one where the probe stands on it', () => {
    const value = fc.float({ min: -100, max: 100, noNaN: true })
    const residual = fc.tuple(
      fc.array(value, { minLength: 3, maxLength: 3 }),
      fc.array(value, { minLength: 3, maxLength: 3 }),
    )
    fc.assert(
      fc.property(fc.array(residual, { minLength: 1, maxLength: 6 }), (pairs) => {
        const anchors = chain(...pairs)
        const newest = anchors.at(-1)!
        const { image } = estimateOutput(zeros([1, 3, 1]), newest.probe, anchors, published)
        image.data.forEach((got, i) => expect(got).toBeCloseTo(newest.whole.data[i]!, 3))
        const elsewhere = estimateOutput(row(1, 2, 3), row(3, 2, 1), anchors, { min: 1, max: 10 })
        expect(elsewhere.image.data.every(Number.isFinite)).toBe(true)
      }),
    )
  })
})
