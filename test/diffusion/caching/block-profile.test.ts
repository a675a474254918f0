/** Measuring how stable blocks are, and lists of blocks as text. */
import { describe, expect, it } from 'vitest'
import { BlockMeter, formatBlocks, mostStable, parseBlocks, runsOf } from '../../../diffusion/caching/block-profile.ts'
import { stack } from '../../nodes/caching/stack.ts'
import { callAt } from '../../nodes/caching/scripted.ts'

describe('the meter', () => {
  it('takes the mean relative change of what each block adds', async () => {
    // Block 0 always adds 4; block 1 adds 1, 2, 3; block 2 adds 10, 9, 9.
    const adds = [
      [4, 4, 4],
      [1, 2, 3],
      [10, 9, 9],
    ]
    const model = stack({ depth: 3, adds: ({ block, index }) => adds[block]![index]! })
    const meter = new BlockMeter()
    for (let index = 0; index < 3; index++) {
      expect(meter.count).toBe(Math.max(0, index - 1))
      const output = await meter.run(await model.embed(callAt(index, 3), 'cond'), model)
      expect(output.image.data[0]).toBe(adds[0]![index]! + adds[1]![index]! + adds[2]![index]!)
    }
    expect(meter.changes).toEqual([0, expect.closeTo((1 + 0.5) / 2, 6), expect.closeTo(0.05, 6)])
    expect(mostStable(meter.changes, 0.67)).toEqual([0, 2])
  })

  it('puts blocks last that say nothing', () => {
    expect(mostStable([NaN, 0.5, Infinity, 0.1], 0.5)).toEqual([1, 3])
    expect(mostStable([0.2, 0.2, 0.1, 0.2], 0.5)).toEqual([0, 2])
  })
})

describe('lists of blocks', () => {
  it('are read, put into runs and written', () => {
    expect(parseBlocks(' 0, 2 ,4-7')).toEqual([0, 2, 4, 5, 6, 7])
    expect(parseBlocks('')).toEqual([])
    expect(runsOf([5, 1, 4, 1, 6])).toEqual([
      { from: 1, to: 2 },
      { from: 4, to: 7 },
    ])
    // The list released for HunyuanVideo's single-stream blocks.
    const hunyuan = '0,2,4-7,10-21,23,25-27,31,33'
    expect(parseBlocks(hunyuan)).toHaveLength(24)
    expect(formatBlocks(parseBlocks(hunyuan)!)).toBe(hunyuan)
  })

  it.each(['x', '1,,2', '3-', '5-2', '-1', '1.5', '99999'])('%j is none', (text) =>
    expect(parseBlocks(text)).toBeNull(),
  )
})
