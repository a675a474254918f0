/** Autoencoders tile by tile: which tiles there are, the same bits where one is enough, and pictures near the whole ones elsewhere. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Autoencoder } from '../../diffusion/families/contract.ts'
import { openAutoencoder } from '../../diffusion/families/vae/open.ts'
import { normalNoise } from '../../diffusion/random.ts'
import { tensor, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { decodeTiled, encodeTiled, spans } from '../../diffusion/tiling.ts'

const vae = await openAutoencoder(join(import.meta.dirname, '../fixtures/parity/vae-kl-a'))
afterAll(() => vae.release())

/** An autoencoder of pictures or videos that looks at one cell at a time, and counts what it is given. */
function cellwise(temporalFactor?: number): Autoencoder & { readonly seen: (readonly number[])[] } {
  const seen: (readonly number[])[] = []
  const factor = 2
  return {
    seen,
    factor,
    channels: 1,
    ...(temporalFactor === undefined ? {} : { temporalFactor }),
    decode(latent) {
      seen.push(latent.shape)
      const [batch = 1, , ...rest] = latent.shape
      const [F, h, w] = rest.length === 3 ? (rest as [number, number, number]) : [1, rest[0]!, rest[1]!]
      const frames = 1 + (F - 1) * (temporalFactor ?? 1)
      const out = zeros([batch * frames, h * factor, w * factor, 3])
      out.data.forEach((_, i) => {
        const place = Math.floor(i / 3)
        const [x, y] = [place % (w * factor), Math.floor(place / (w * factor)) % (h * factor)]
        const frame = Math.floor(place / (w * factor * h * factor))
        const cell = Math.ceil((frame % frames) / (temporalFactor ?? 1))
        const b = Math.floor(frame / frames)
        out.data[i] = latent.data[((b * F + cell) * h + Math.floor(y / factor)) * w + Math.floor(x / factor)]! + (i % 3)
      })
      return Promise.resolve(out)
    },
    encode(pixels) {
      seen.push(pixels.shape)
      const [batch = 1, H = 0, W = 0] = pixels.shape
      const out = zeros([batch, 1, H / factor, W / factor])
      out.data.forEach((_, i) => {
        const [x, y] = [i % (W / factor), Math.floor(i / (W / factor))]
        out.data[i] = pixels.data[(y * factor * W + x * factor) * 3]!
      })
      return Promise.resolve(out)
    },
  }
}

const expectClose = (actual: Tensor, expected: Tensor, digits = 5): void => {
  expect(actual.shape).toEqual(expected.shape)
  actual.data.forEach((value, i) => expect(value).toBeCloseTo(expected.data[i]!, digits))
}

describe('stretches', () => {
  it.each([
    [10, 16, 4, [[0, 10]]],
    [16, 16, 4, [[0, 16]]],
    [
      17,
      16,
      4,
      [
        [0, 16],
        [1, 16],
      ],
    ],
    [
      40,
      16,
      4,
      [
        [0, 16],
        [12, 16],
        [24, 16],
      ],
    ],
    [
      9,
      4,
      4,
      [
        [0, 4],
        [1, 4],
        [2, 4],
        [3, 4],
        [4, 4],
        [5, 4],
      ],
    ],
  ] as const)('%i in tiles of %i with %i shared', (length, tile, overlap, expected) => {
    expect(spans(length, tile, overlap).map(({ start, size }) => [start, size])).toEqual(expected)
  })
})

describe('an autoencoder that looks at single cells', () => {
  it('gives the whole picture from tiles, each of the size asked for', async () => {
    const latent = normalNoise(1n, [2, 1, 9, 14])
    const tiled = cellwise()
    expectClose(await decodeTiled(tiled, latent, { tile: 6, overlap: 2 }), await cellwise().decode(latent))
    expect(tiled.seen).toHaveLength(2 * 2 * 3)
    expect(tiled.seen.every(({ length, 2: h, 3: w }) => length === 4 && h === 6 && w === 6)).toBe(true)
  })

  it('gives the whole video, cut along time too', async () => {
    const latent = normalNoise(1n, [1, 1, 9, 4, 4])
    const tiled = cellwise(4)
    const frames = { tile: 4, overlap: 2 }
    const whole = await cellwise(4).decode(latent)
    expect(whole.shape).toEqual([33, 8, 8, 3])
    expectClose(await decodeTiled(tiled, latent, { tile: 8, overlap: 2, frames }), whole)
    expect(tiled.seen.map((shape) => shape[2])).toEqual([4, 4, 4, 4])
  })

  it('gives the whole latent from tiles of a picture', async () => {
    const pixels = normalNoise(1n, [2, 18, 28, 3])
    const tiled = cellwise()
    expectClose(
      await encodeTiled(tiled, pixels, { tile: 6, overlap: 2 }),
      await cellwise()
        .encode(pixels)
        .then(async (first) => {
          const size = 18 * 28 * 3
          const second = await cellwise().encode(tensor(pixels.data.subarray(size), [1, 18, 28, 3]))
          return tensor(new Float32Array([...first.data.slice(0, second.data.length), ...second.data]), [2, 1, 9, 14])
        }),
    )
    expect(tiled.seen.every(({ 1: rows, 2: columns }) => rows === 12 && columns === 12)).toBe(true)
  })

  it('never holds more than one tile beside the result', async () => {
    const latent = zeros([1, 1, 40, 40])
    const tiled = cellwise()
    await decodeTiled(tiled, latent, { tile: 8, overlap: 2 })
    expect(Math.max(...tiled.seen.map((shape) => shape[2]! * shape[3]!))).toBe(64)
  })
})

describe('a real autoencoder', () => {
  const latent = normalNoise(2n, [1, 4, 12, 20])

  it('gives the same bits where one tile covers all', async () => {
    const whole = await vae.decode(latent)
    expect((await decodeTiled(vae, latent, { tile: 20, overlap: 4 })).data).toEqual(whole.data)
    const pixels = tensor(whole.data, whole.shape)
    expect((await encodeTiled(vae, pixels, { tile: 20, overlap: 4 })).data).toEqual((await vae.encode(pixels)).data)
  })

  it('comes near the whole picture from tiles, nearer with more shared, without a jump at the seams', async () => {
    const whole = await vae.decode(latent)
    const error = async (overlap: number) => {
      const tiled = await decodeTiled(vae, latent, { tile: 12, overlap })
      return tiled.data.reduce((sum, value, i) => sum + Math.abs(value - whole.data[i]!), 0) / tiled.data.length
    }
    const [none, some] = [await error(0), await error(6)]
    expect(some).toBeLessThan(none)
    const mean = whole.data.reduce((sum, value) => sum + value, 0) / whole.data.length
    const spread = whole.data.reduce((sum, value) => sum + Math.abs(value - mean), 0) / whole.data.length
    expect(some).toBeLessThan(0.5 * spread)
  })
})
