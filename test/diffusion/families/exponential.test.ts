/** exp as PyTorch rounds it: within one unit of the last place of the true value, and off the nearest one where the reference is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { float32Exp } from '../../../diffusion/families/exponential.ts'

const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!
/** Exponent i of a timestep embedding of 256 channels, rounded as the reference rounds it. */
const exponent = (i: number): number => Math.fround(Math.fround(Math.fround(-Math.log(10_000)) * i) / 128)

describe('float32Exp', () => {
  it('is exact at 0 and at the ends of the timestep embedding', () => {
    expect([float32Exp(0), bits(float32Exp(exponent(64)))]).toEqual([1, bits(0.01)])
  })

  it('is never off by more than one unit in the last place', () => {
    fc.assert(
      fc.property(fc.float({ min: -80, max: 80, noNaN: true }), (x) => {
        expect(Math.abs(bits(float32Exp(x)) - bits(Math.fround(Math.exp(x))))).toBeLessThanOrEqual(1)
      }),
    )
  })

  // Found by fitting the frequencies, one last digit at a time, to the reference's embedding of a tiny FLUX model.
  it.each([
    [13, 1],
    [14, -1],
    [26, 1],
    [33, 1],
    [44, 1],
    [53, 1],
    [64, 0],
  ])('frequency %i of the reference lies %i units from the nearest float32', (i, units) => {
    expect(bits(float32Exp(exponent(i))) - bits(Math.fround(Math.exp(exponent(i))))).toBe(units)
  })
})
