/** How the cache bench sums up its runs. */
import { describe, expect, it } from 'vitest'
import { markdown, median, summarise, type Measured } from '../../bench/summary.ts'

const run = (caption: number, over: Partial<Measured>): Measured => ({
  setting: 'a',
  caption,
  computedBlocks: 50,
  referenceBlocks: 100,
  seconds: 1,
  referenceSeconds: 2,
  psnr: 40,
  ssim: 1,
  ...over,
})

describe('summarise', () => {
  it('cuts by totals, speeds up by the median, and says what the clock kept', () => {
    const [row] = summarise([run(0, {}), run(1, { computedBlocks: 25, seconds: 0.5 }), run(2, { seconds: 1.25 })])
    expect(row?.cut).toBeCloseTo(300 / 125)
    expect(row?.speedUp).toBe(2)
    expect(row?.kept).toBeCloseTo(2 / 2.4)
  })
  it('counts identical pictures as 100 dB and keeps the worst', () => {
    const [row] = summarise([run(0, { psnr: null }), run(1, { psnr: 30 })])
    expect(row).toMatchObject({ psnrMean: 65, psnrWorst: 30, captions: 2 })
  })
  it('keeps settings apart, in order', () =>
    expect(summarise([run(0, { setting: 'b' }), run(0, {})]).map((row) => row.setting)).toEqual(['b', 'a']))
})

describe('median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
  ])('of %s is %d', (values, expected) => expect(median(values)).toBe(expected))
})

describe('markdown', () => {
  it('has a row per setting', () => expect(markdown(summarise([run(0, {})])).split('\n')).toHaveLength(3))
})
