/** What the cache bench writes: Markdown, CSV and plots. */
import { describe, expect, it } from 'vitest'
import { svg, ticks } from '../../bench/report/chart.ts'
import { csv } from '../../bench/report/csv.ts'
import { byMethod, overview, truth } from '../../bench/report/curves.ts'
import { longTable, shortfalls, shortTable } from '../../bench/report/markdown.ts'
import type { Row } from '../../bench/summary.ts'

const row = (over: Partial<Row> = {}): Row => ({
  ...{ config: 'DiCache threshold 0.2, warm_up 0', method: 'DiCache', role: 'method', captions: 2, evaluations: 30 },
  ...{ blockShare: 0.4, flopShare: 0.45, teraflops: 0.01, promised: 2.2222, psnr: 41.23, psnrWorst: 33, ssim: 0.99 },
  ...{ latentL1: 0.01, truthL2: 0.06, judged: {}, heldMiB: 1.5, residentMiB: 300, sameDecisions: 0.9 },
  speed: { runs: 4, latency: 0.5, speedUp: 2.15, quartiles: [2.1, 2.2], overhead: 1.03 },
  ...over,
})
const rows = [
  row({ role: 'uncached', method: 'Uncached', config: 'uncached', flopShare: 1, psnr: 100, truthL2: 0.05 }),
  row(),
  row({ config: 'DiCache threshold 0.4', flopShare: 0.3, psnr: 30 }),
  row({ role: 'mask', method: 'StepMask', config: 'StepMask 3', flopShare: 0.35 }),
  row({ role: 'fewer', method: 'FewerSteps euler', config: 'FewerSteps euler, 15 steps', flopShare: 0.5, speed: null }),
]

describe('Markdown', () => {
  it('has a line per row, with promise, clock and overhead beside each other', () => {
    const lines = longTable(rows).split('\n')
    expect(lines).toHaveLength(rows.length + 2)
    expect(lines[3]).toContain('| 40 % | 45 % | 2.22x | 2.15x (2.10-2.20) | 1.03x |')
    expect(lines[6]).toContain('| - | - |')
  })
  it('has columns for the judges that were there', () =>
    expect(shortTable([row({ judged: { LPIPS: 0.1234 } })])).toMatch(/\| LPIPS \|\n.*\n.*\| 0.1234 \|$/))
  it('marks and names a setting that keeps less than 95 % of its promise', () => {
    const slow = row({ speed: { runs: 4, latency: 1, speedUp: 1.9, quartiles: [1.8, 2], overhead: 1.17 } })
    expect(longTable([slow])).toContain('1.17x !')
    expect(shortfalls([row(), slow])).toEqual([
      'DiCache threshold 0.2, warm_up 0: 2.22x promised, 1.90x measured: only 85 % of it, less than 95 %',
    ])
  })
})

describe('CSV', () => {
  it("bears cache-dit's names, quotes commas, and leaves out what was not measured", () => {
    const [head, , first, , , last] = csv(rows).split('\n')
    expect(head).toMatch(/^Config,LPIPS,ClipScore,ImageReward,PSNR,SSIM,TFLOPs,Latency,SpeedUp,/)
    expect(first).toMatch(
      /^"DiCache threshold 0.2, warm_up 0",,,,41.23,0.99,0.01,0.5,2.15,2.1,2.2,2.2222,1.03,4,DiCache,/,
    )
    expect(last).toMatch(/^"FewerSteps euler, 15 steps",,,,41.23,0.99,0.01,,,/)
  })
})

describe('plots', () => {
  it('draw each method, the masks and fewer steps on the same axes, joined by rising compute', () => {
    const plot = overview(rows)
    for (const name of ['DiCache', 'StepMask (fixed)', 'FewerSteps euler']) expect(plot).toContain(`>${name}</text>`)
    const xs = /<polyline points="([^"]+)"[^>]*stroke="#0072b2"/
      .exec(plot)?.[1]
      ?.split(' ')
      .map((pair) => Number(pair.split(',')[0]))
    expect(xs).toHaveLength(2)
    expect(xs?.[0]).toBeLessThan(xs?.[1] ?? NaN)
    expect(truth(rows)).toContain('>uncached</text>')
    expect(byMethod(rows).match(/<g /g)).toHaveLength(1)
  })
  it('are whole even when there is nothing to draw, and escape what they are given', () => {
    const chart = { title: 'a < b & "c"', x: '', y: '', width: 100, height: 50, legend: false }
    expect(svg([{ ...chart, series: [] }], 1)).toContain('a &lt; b &amp; &quot;c&quot;: nothing was measured')
  })
  it('have round ticks that span the values', () => {
    expect(ticks(0.27, 1, 5)).toEqual([0.2, 0.4, 0.6, 0.8, 1])
    expect(ticks(15.1, 59.2, 5)).toEqual([10, 20, 30, 40, 50, 60])
    expect(ticks(3, 3, 5).length).toBeGreaterThan(1)
  })
})
