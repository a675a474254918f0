/** Noise from a seed, value for value PyTorch's. */
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkCase } from '../../diffusion/check/index.ts'
import { NormalGenerator, normalNoise } from '../../diffusion/random.ts'

describe('normalNoise', async () => {
  const results = await checkCase(join(import.meta.dirname, '../fixtures/parity/noise-a'))

  it.each(results.map((result) => [result.name, result] as const))('%s', (_, result) => {
    expect(result).toMatchObject({ kind: 'noise', pass: true })
    expect(result.maxAbs).toBeLessThan(1e-6)
  })

  it('covers small tensors, odd lengths and seeds beyond 2^53', () => {
    expect(results).toHaveLength(7)
    expect(results.some(({ name }) => name.includes('18446744073709551615'))).toBe(true)
  })

  it('is one draw for the whole batch: the first picture does not depend on how many follow', () => {
    const [one, three] = [normalNoise(9n, [1, 4, 4, 4]), normalNoise(9n, [3, 4, 4, 4])]
    expect(three.data.slice(0, 64)).toEqual(one.data)
    expect(three.data.slice(64, 128)).not.toEqual(one.data)
  })

  it('a spare value of an odd small draw is the first of the next', () => {
    const [split, whole] = [new NormalGenerator(3n), new NormalGenerator(3n)]
    const parts = [...split.draw([3]).data, ...split.draw([5]).data]
    expect(parts).toEqual([...whole.draw([8]).data])
  })

  it('has mean 0 and deviation 1, whatever the seed', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), (seed) => {
        const { data } = normalNoise(seed, [4096])
        const mean = data.reduce((a, b) => a + b, 0) / data.length
        const variance = data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length
        expect(Math.abs(mean)).toBeLessThan(0.1)
        expect(Math.abs(variance - 1)).toBeLessThan(0.15)
      }),
      { numRuns: 30 },
    )
  })

  it('refuses seeds outside 64 bits', () => {
    expect(() => normalNoise(-1n, [16])).toThrow(RangeError)
    expect(() => normalNoise(1n << 64n, [16])).toThrow(RangeError)
  })
})
