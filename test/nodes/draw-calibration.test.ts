/** DrawCalibration: curves of every kind of calibration, where they belong. */
import { describe, expect, it } from 'vitest'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import type { Tensor } from '../../diffusion/tensor.ts'
import node from '../../nodes/measuring/draw-calibration.ts'
import { drawCurves } from '../../nodes/measuring/drawing/curves.ts'
import { context } from './context.ts'

const TABLES = join(import.meta.dirname, '../../nodes/caching/tables')
const tables = ['magcache', 'sencache', 'teacache'].flatMap((folder) =>
  readdirSync(join(TABLES, folder))
    .slice(0, 2)
    .map((file) => [folder, file] as const),
)

/** Height of the lowest pixel of a colour in a column of pixels, or null. */
function rowOf({ data, shape }: Tensor, x: number, hex: string): number | null {
  const [, height = 0, width = 0] = shape
  const wanted = [1, 3, 5].map((at) => Math.fround(parseInt(hex.slice(at, at + 2), 16) / 255))
  for (let y = height - 1; y >= 0; y--)
    if (wanted.every((value, c) => Math.abs(data[(y * width + x) * 3 + c]! - value) < 1e-6)) return y
  return null
}

describe('DrawCalibration', () => {
  it.each(tables)('draws the table %s/%s', async (folder, file) => {
    const { calibration } = JSON.parse(readFileSync(join(TABLES, folder, file), 'utf8'))
    const { IMAGE } = await node.run({ calibration: JSON.stringify(calibration) }, context(tmpdir()))
    expect(IMAGE.shape[3]).toBe(3)
    expect(IMAGE.data.every((value) => value >= 0 && value <= 1)).toBe(true)
  })

  it('says what is wrong with a text that is no calibration', () => {
    expect(node.validate?.({ calibration: '{}' })).toEqual({
      calibration: expect.stringContaining('MagCache') as unknown,
    })
  })

  it('greater values lie higher, and the mark between its neighbours', () => {
    const points = [
      [0, 0],
      [1, 1],
    ] as const
    const image = drawCurves([], [{ title: '', axis: '', curves: [{ label: '', points }], mark: 0.5 }])
    const [left, right] = [rowOf(image, 130, '#e2a14a')!, rowOf(image, 860, '#e2a14a')!]
    expect(left).toBeGreaterThan(right + 100)
    const mark = Array.from({ length: 10 }, (_, i) => rowOf(image, 140 + i, '#8a8f98')).filter((y) => y !== null)
    expect(mark.some((y) => y < left && y > right)).toBe(true)
  })

  it('draws a single point and no points', () => {
    const draw = (points: readonly (readonly [number, number])[]) =>
      drawCurves([], [{ title: 'ONE', axis: 'X', curves: [{ label: 'A', points }] }])
    for (const points of [[], [[1, 1]], [[1, NaN]]] as const)
      expect(draw(points).data.every(Number.isFinite)).toBe(true)
  })
})
