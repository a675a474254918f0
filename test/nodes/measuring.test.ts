/** The drawn cache report and the comparison node. */
import { describe, expect, it } from 'vitest'
import type { CacheReport, ReportRow } from '../../diffusion/caching/report-types.ts'
import { tensor } from '../../diffusion/tensor.ts'
import compareImages from '../../nodes/measuring/compare-images.ts'
import { Canvas, colour } from '../../nodes/measuring/drawing/canvas.ts'
import { drawReport } from '../../nodes/measuring/drawing/report.ts'
import { context } from './context.ts'

const DEPTH = 12

function report(skipFrom: number): CacheReport {
  const rows = Array.from({ length: 20 }, (_, evaluation): ReportRow => {
    const skipped = evaluation >= skipFrom
    return {
      evaluation,
      sample: 0,
      branch: 'cond',
      sigma: 1 - evaluation / 20,
      decision: skipped ? 'skipped' : 'full',
      blocks: skipped ? 1 : DEPTH,
      modules: {},
      flops: skipped ? 10 : 100,
      milliseconds: skipped ? 1 : 10,
      accumulated: evaluation / 100,
    }
  })
  return {
    method: 'DiCache',
    params: { threshold: 0.2 },
    family: 'flux',
    depth: DEPTH,
    evaluations: 20,
    samples: 1,
    branches: ['cond'],
    rows,
    computedBlocks: rows.reduce((sum, row) => sum + row.blocks, 0),
    totalBlocks: 20 * DEPTH,
    computedFlops: rows.reduce((sum, row) => sum + row.flops, 0),
    totalFlops: 20 * 100,
    seconds: 1,
    warnings: [],
  }
}

/** How many pixels of the picture have this colour. */
function count(image: ReturnType<typeof drawReport>, hex: string): number {
  const ink = colour(hex).map(Math.fround)
  let found = 0
  for (let i = 0; i < image.data.length; i += 3) if (ink.every((value, c) => image.data[i + c] === value)) found++
  return found
}

describe('drawReport', () => {
  it('fills a cell by the share of blocks run: more skips, less of the colour of full steps', () => {
    const [few, many] = [drawReport(report(18)), drawReport(report(5))]
    expect(count(few, '#e2a14a')).toBeGreaterThan(2 * count(many, '#e2a14a'))
    expect(count(many, '#6c8fb8')).toBeGreaterThan(count(few, '#6c8fb8'))
  })
  it('leaves the chart of drift out where nothing was measured', () => {
    const measured = report(5)
    const rows = measured.rows.map(({ drift: _drift, accumulated: _accumulated, ...row }) => row)
    const [height, lower] = [measured, { ...measured, rows }].map((one) => drawReport(one).shape[1] ?? 0)
    expect(height! - lower!).toBe(128)
  })
  it('draws a run without rows', () => expect(drawReport({ ...report(0), rows: [], evaluations: 0 }).shape[3]).toBe(3))
})

describe('Canvas', () => {
  it('cuts off what lies outside', () => {
    const canvas = new Canvas(4, 4, [0, 0, 0])
    canvas.fill(-2, -2, 3, 3, [1, 1, 1])
    expect(canvas.image().data.reduce((sum, value) => sum + value, 0)).toBe(3)
  })
  it('writes every letter of the font and marks what it lacks', () => {
    const ink = (words: string) => {
      const canvas = new Canvas(12, 16, [0, 0, 0])
      canvas.text(0, 0, words, [1, 1, 1])
      return canvas.image().data.reduce((sum, value) => sum + value, 0)
    }
    expect(ink('A')).toBeGreaterThan(0)
    expect(ink('あ')).toBe(ink('?'))
    expect(ink(' ')).toBe(0)
  })
})

describe('CompareImages', () => {
  it('gives figures and an amplified difference', async () => {
    const flat = (value: number) => tensor(new Float32Array(16 * 16 * 3).fill(value), [1, 16, 16, 3])
    const result = await compareImages.run({ image: flat(0.5), reference: flat(0.4), gain: 4 }, context(''))
    expect(result.psnr).toBeCloseTo(20, 3)
    expect(result.difference.data[0]).toBeCloseTo(0.4, 5)
    expect(result.ui?.['text']?.[0]).toMatch(/PSNR 20\.00 dB/)
  })
})
