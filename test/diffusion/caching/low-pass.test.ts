/** The low frequencies of real maps against the whole Fourier transform, written out. */
import { describe, expect, it } from 'vitest'
import { lowPass } from '../../../diffusion/caching/low-pass.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'

/** The published way: transform, shift the middle to the centre, mask a disc, shift back, transform back, real part. */
function masked({ data, shape }: Tensor, radius: number): number[] {
  const [h, w] = shape as [number, number]
  const spectrum = (sign: number, re: number[], im: number[]) => {
    const [outRe, outIm] = [new Array<number>(h * w).fill(0), new Array<number>(h * w).fill(0)]
    for (let v = 0; v < h; v++)
      for (let u = 0; u < w; u++)
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++) {
            const angle = sign * 2 * Math.PI * ((u * x) / w + (v * y) / h)
            outRe[v * w + u]! += re[y * w + x]! * Math.cos(angle) - im[y * w + x]! * Math.sin(angle)
            outIm[v * w + u]! += re[y * w + x]! * Math.sin(angle) + im[y * w + x]! * Math.cos(angle)
          }
    return [outRe, outIm] as const
  }
  const [re, im] = spectrum(-1, [...data], new Array<number>(h * w).fill(0))
  for (let v = 0; v < h; v++)
    for (let u = 0; u < w; u++) {
      const [sy, sx] = [(v + Math.floor(h / 2)) % h, (u + Math.floor(w / 2)) % w]
      if ((sx - Math.floor(w / 2)) ** 2 + (sy - Math.floor(h / 2)) ** 2 > radius ** 2) re[v * w + u] = im[v * w + u] = 0
    }
  return spectrum(1, re, im)[0].map((value) => value / (h * w))
}

describe('lowPass', () => {
  it('keeps 13 frequencies of an impulse on 10 x 10 places at radius 2', () => {
    const impulse = new Float32Array(100)
    impulse[0] = 1
    const { data } = lowPass(tensor(impulse, [10, 10]), 2)
    const at = (y: number, x: number) => data[10 * y + x]
    expect(at(0, 0)).toBeCloseTo(0.13, 6)
    expect([at(0, 1), at(1, 0)]).toEqual([expect.closeTo(0.104721, 6), expect.closeTo(0.104721, 6)])
    expect(at(1, 1)).toBeCloseTo(0.080902, 6)
    expect(at(0, 2)).toBeCloseTo(0.052361, 6)
    expect(at(2, 2)).toBeCloseTo(-0.00618, 6)
  })

  it.each([
    [5, 5, 1],
    [6, 10, 1],
    [11, 15, 2],
    [16, 12, 2],
    [7, 20, 3],
    [3, 4, 0],
  ])('is what the mask leaves of the transform: %i x %i, radius %i', (height, width, radius) => {
    const map = tensor(
      Float32Array.from({ length: height * width }, (_, i) => Math.sin(i * i * 0.7) + (i % 3)),
      [height, width],
    )
    const low = lowPass(map, radius)
    masked(map, radius).forEach((value, i) => expect(low.data[i]).toBeCloseTo(value, 5))
  })

  it('takes each map by itself', () => {
    const maps = tensor(Float32Array.of(1, 0, 0, 1, 4, 4, 8, 8), [1, 2, 2, 2])
    expect([...lowPass(maps, 0).data]).toEqual([0.5, 0.5, 0.5, 0.5, 6, 6, 6, 6])
  })

  it.each([-1, 1, 0.5, NaN])('refuses a radius of %d on 2 x 2 places', (radius) => {
    expect(() => lowPass(tensor(new Float32Array(4), [2, 2]), radius)).toThrow(/below half of a side/)
  })
})
