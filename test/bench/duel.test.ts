/** The comparison of an adaptive method with the best fixed mask of its compute, and the interval it is stated with. */
import { describe, expect, it } from 'vitest'
import { duel, frontier, type Contender } from '../../bench/duel.ts'
import { bootstrap, quantile } from '../../bench/statistics.ts'

const CAPTIONS = 64
const noise = (i: number): number => Math.sin(12.9898 * i) * 3
const contender = (config: string, share: number, level: number): Contender => ({
  config,
  share,
  psnr: Array.from({ length: CAPTIONS }, (_, i) => level + noise(i)),
})
const all = Array.from({ length: CAPTIONS }, (_, i) => i)
const noiseMean = all.reduce((sum, i) => sum + noise(i), 0) / CAPTIONS
const masks = [contender('quarter', 0.25, 30), contender('poor', 0.4, 29), contender('half', 0.5, 40)]

describe('frontier', () => {
  it('leaves out masks that a cheaper one beats, and sorts by compute', () =>
    expect(frontier([...masks].reverse(), all).map(({ config }) => config)).toEqual(['quarter', 'half']))
})

describe('duel', () => {
  it('a mask in disguise on the line between two masks is level with it', () => {
    const result = duel(contender('disguised', 0.375, 35), masks)
    expect(result?.maskPsnr).toBeCloseTo(result?.psnr ?? NaN)
    expect(result).toMatchObject({ verdict: 'level', captions: CAPTIONS, share: 0.375 })
    expect(result?.difference.mean).toBeCloseTo(0)
  })

  it('pairs captions: a gain of 1 dB shows although pictures differ by much more', () => {
    const one = duel(contender('better', 0.375, 36), masks)
    expect(one).toMatchObject({ verdict: 'better', won: CAPTIONS })
    expect(one?.difference.low).toBeGreaterThan(0.9)
    expect(duel(contender('worse', 0.375, 34), masks)?.verdict).toBe('worse')
  })

  it('a difference that goes both ways is level', () => {
    const mixed = { ...contender('mixed', 0.5, 40), psnr: all.map((i) => 40 + noise(i) + (i % 4 < 2 ? 2 : -2)) }
    const result = duel(mixed, masks)
    expect(result).toMatchObject({ verdict: 'level', won: CAPTIONS / 2 })
    expect(result?.difference.low).toBeLessThan(0)
    expect(result?.difference.high).toBeGreaterThan(0)
  })

  it('chooses the masks on the other half: one that is lucky on half of the captions is not met there', () => {
    const even = { ...contender('lucky', 0.375, 30), psnr: all.map((i) => 30 + noise(i) + (i % 2 === 0 ? 20 : 0)) }
    // Chosen on odd captions it is no better than the line; chosen on even ones it is met on odd ones at 30.
    expect(duel(contender('method', 0.375, 35), [...masks, even])?.maskPsnr).toBeCloseTo((35 + 30) / 2 + noiseMean)
  })

  it.each([0.2, 0.6])('says nothing at %d of the compute, where no mask is', (share) =>
    expect(duel(contender('outside', share, 50), masks)).toBeNull(),
  )
})

describe('statistics', () => {
  it('quantiles interpolate', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2)
    expect(quantile([4, 1, 2, 3], 0.5)).toBe(2.5)
    expect(quantile([0, 10], 0.25)).toBe(2.5)
  })
  it('the bootstrap interval of a sample is about two standard errors wide on each side, and always the same', () => {
    const values = all.map((i) => noise(i * 7))
    const { mean, low, high } = bootstrap(values)
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (CAPTIONS - 1))
    expect((high - low) / 2).toBeCloseTo((1.96 * deviation) / Math.sqrt(CAPTIONS), 1)
    expect(bootstrap(values)).toEqual({ mean, low, high })
  })
})
