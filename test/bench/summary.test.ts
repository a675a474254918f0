/** How the cache bench sums up its runs. */
import { describe, expect, it } from 'vitest'
import type { PictureRecord, TimeRecord } from '../../bench/journal.ts'
import { uncached } from '../../bench/setting.ts'
import { agreement, rowOf, speedOf } from '../../bench/summary.ts'

const picture = (over: Partial<PictureRecord> = {}): PictureRecord => ({
  ...{ kind: 'picture', key: '', code: '', evaluations: 30, blocks: 50, flops: 50, psnr: 40, ssim: 1 },
  ...{ latentL1: 0.1, truthL2: 0.2, judged: {}, decisions: 'FFss' },
  ...over,
})
const time = (over: Partial<TimeRecord> = {}): TimeRecord => ({
  ...{ kind: 'time', key: '', code: '', seconds: [1, 1], uncachedSeconds: [2, 2], flops: 50, uncachedFlops: 100 },
  ...over,
})
const none = { heldMiB: null, residentMiB: null }

describe('rowOf', () => {
  it('takes shares by totals, and promises what the FLOPs say, not the blocks', () => {
    const plain = [picture({ blocks: 100, flops: 100 }), picture({ blocks: 100, flops: 100 })]
    const own = [picture({ blocks: 50, flops: 60 }), picture({ blocks: 20, flops: 30 })]
    const row = rowOf(uncached(30), own, plain, [], none)
    expect(row).toMatchObject({ blockShare: 0.35, flopShare: 0.45, speed: null, captions: 2 })
    expect(row.promised).toBeCloseTo(100 / 45)
  })

  it('counts identical pictures as 100 dB, keeps the worst, and means the judges', () => {
    const own = [picture({ psnr: null, judged: { LPIPS: 0 } }), picture({ psnr: 30, judged: { LPIPS: 0.5 } })]
    const row = rowOf(uncached(30), own, [picture(), picture()], [], none)
    expect(row).toMatchObject({ psnr: 65, psnrWorst: 30, judged: { LPIPS: 0.25 }, truthL2: 0.2 })
  })
})

describe('speedOf', () => {
  it('divides by the mean of the uncached neighbours, and the overhead is promised over measured', () => {
    const speed = speedOf([
      time({ seconds: [1, 1.25], uncachedSeconds: [1.5, 2.5] }),
      time({ seconds: [0.8, 1], uncachedSeconds: [2, 2] }),
    ])
    expect(speed).toMatchObject({ runs: 4, speedUp: 2, latency: 1, overhead: 1 })
    expect(speed?.quartiles[0]).toBeCloseTo(1.9)
    expect(speed?.quartiles[1]).toBeCloseTo(2.125)
  })
  it('a clock that keeps half of the promise has an overhead of two', () =>
    expect(speedOf([time({ seconds: [2, 2] })])?.overhead).toBe(2))
  it('is null where nothing was timed', () => expect(speedOf([])).toBeNull())
})

describe('agreement', () => {
  it.each([
    [['FFss', 'FFss', 'FFss'], 1],
    [['FFss', 'FFsF'], (1 + 1 + 1 + 0.5) / 4],
    [['FF', 'Fs', 'Fs'], (1 + 2 / 3) / 2],
  ])('of %j is %d', (decisions, expected) => expect(agreement(decisions)).toBeCloseTo(expected))
})
