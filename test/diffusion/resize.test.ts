/** Resizing against values worked out by hand from PyTorch's definition. */
import { describe, expect, it } from 'vitest'
import { centreCrop, fill, resize } from '../../diffusion/resize.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'

const line = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, 1, values.length, 1])
const column = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, values.length, 1, 1])
const rounded = ({ data }: Tensor): number[] => [...data].map((x) => Math.round(x * 1e5) / 1e5)

describe('resize', () => {
  it('lies bilinearly between the centres of samples, the edge repeated', () => {
    const how = { kernel: 'bilinear', antialias: false } as const
    expect(rounded(resize(line(0, 1), 1, 4, how))).toEqual([0, 0.25, 0.75, 1])
    expect(rounded(resize(line(0, 1, 2, 3), 1, 2, how))).toEqual([0.5, 2.5])
    expect(rounded(resize(line(0, 4, 8, 0), 1, 2, { ...how, antialias: true }))).toEqual([2.85714, 4])
  })

  it('has the cubic weights of -0.75, or of -0.5 with antialiasing', () => {
    // Half-way between two samples the nearer ones weigh (4 - a) / 8, the next a / 8, those beyond nothing.
    const impulse = line(0, 0, 1, 0, 0, 0)
    const half = (antialias: boolean) => resize(impulse, 1, 3, { kernel: 'bicubic', antialias })
    expect(rounded(half(false))).toEqual([-0.09375, 0.59375, 0])
    expect(resize(line(1, 1, 1, 1, 1), 1, 3, { kernel: 'bicubic', antialias: true }).data[1]).toBeCloseTo(1, 6)
    const sharp = resize(line(0, 0, 1, 0, 0), 1, 10, { kernel: 'bicubic', antialias: true })
    // A quarter from the sample: (a + 2) x^3 - (a + 3) x^2 + 1 with a = -0.5.
    expect(sharp.data[4]).toBeCloseTo(1.5 * 0.25 ** 3 - 2.5 * 0.25 ** 2 + 1, 5)
  })

  it('works on both axes, and leaves pictures that fit', () => {
    const how = { kernel: 'bilinear', antialias: false } as const
    expect(rounded(resize(column(0, 1), 4, 1, how))).toEqual([0, 0.25, 0.75, 1])
    const same = line(1, 2)
    expect(resize(same, 1, 2, how)).toBe(same)
  })
})

describe('cutting', () => {
  it('keeps the middle', () => {
    expect([...centreCrop(line(0, 1, 2, 3, 4), 1, 2).data]).toEqual([1, 2])
    const how = { kernel: 'bilinear', antialias: false } as const
    // A line of 6 x 1 to the shape of 2 x 1: two cells go on either side.
    expect([...fill(line(0, 1, 2, 3, 4, 5), 1, 2, how).data]).toEqual([2, 3])
    expect([...fill(column(0, 1, 2, 3), 2, 1, how).data]).toEqual([1, 2])
  })
})
