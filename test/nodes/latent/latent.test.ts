/** The nodes that make, resize, take apart and mask latents. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openAutoencoder } from '../../../diffusion/families/vae/open.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import type { Latent } from '../../../nodes/ports.ts'
import { declared, runNode } from '../run-node.ts'

const vae = await openAutoencoder(join(import.meta.dirname, '../../fixtures/parity/vae-kl-a'))
afterAll(() => vae.release())

const PIXELS = [
  ['width', 1024],
  ['height', 1024],
] as const
const TILES = [
  ['tile_size', 512],
  ['overlap', 64],
  ['temporal_size', 64],
  ['temporal_overlap', 8],
] as const
const SAMPLES = ['samples', 'LATENT'] as const
const METHOD = ['upscale_method', 'nearest-exact'] as const

it.each([
  ['EmptySD3LatentImage', [...PIXELS, ['batch_size', 1]]],
  ['LatentUpscale', [SAMPLES, METHOD, ['width', 512], ['height', 512], ['crop', 'disabled']]],
  ['LatentUpscaleBy', [SAMPLES, METHOD, ['scale_by', 1.5]]],
  [
    'LatentComposite',
    [
      ['samples_to', 'LATENT'],
      ['samples_from', 'LATENT'],
      ['x', 0],
      ['y', 0],
      ['feather', 0],
    ],
  ],
  ['RepeatLatentBatch', [SAMPLES, ['amount', 1]]],
  ['LatentFromBatch', [SAMPLES, ['batch_index', 0], ['length', 1]]],
  ['SetLatentNoiseMask', [SAMPLES, ['mask', 'MASK']]],
  [
    'VAEEncodeForInpaint',
    [
      ['pixels', 'IMAGE'],
      ['vae', 'VAE'],
      ['mask', 'MASK'],
      ['grow_mask_by', 6],
    ],
  ],
  ['VAEDecodeTiled', [SAMPLES, ['vae', 'VAE'], ...TILES]],
  ['VAEEncodeTiled', [['pixels', 'IMAGE'], ['vae', 'VAE'], ...TILES]],
] as const)('%s takes what ComfyUI takes, in its order, with its defaults', (type, inputs) => {
  expect(declared(type)).toEqual(inputs)
})

const grid = (height: number, width: number): Tensor =>
  tensor(
    Float32Array.from({ length: height * width }, (_, i) => i),
    [1, 1, height, width],
  )
const latent = (samples: Tensor, more: Partial<Latent> = {}): Latent => ({ samples, ...more })

describe('EmptySD3LatentImage', () => {
  it('is blank, of 16 channels', async () => {
    const { LATENT } = await runNode('EmptySD3LatentImage', { width: 64, height: 128, batch_size: 2 })
    expect(LATENT.samples.shape).toEqual([2, 16, 16, 8])
    expect(LATENT.samples.data.every((value) => value === 0)).toBe(true)
  })
})

describe('resizing', () => {
  const by = async (upscale_method: string, samples: Tensor, scale_by: number) =>
    (await runNode('LatentUpscaleBy', { samples: latent(samples), upscale_method, scale_by })).LATENT.samples

  // torch.nn.functional.interpolate of [[0, 1], [2, 3]] to 4 x 4 and of arange(16) to 2 x 2.
  it.each([
    ['nearest-exact', 2, [0, 0, 1, 1]],
    ['bilinear', 2, [0, 0.25, 0.75, 1]],
    ['bicubic', 2, [-0.31641, 0.01563, 0.5625, 0.89453]],
    ['area', 2, [0, 0, 1, 1]],
  ] as const)('%s enlarges as PyTorch does', async (method, scale, expected) => {
    const { data, shape } = await by(method, grid(2, 2), scale)
    expect(shape).toEqual([1, 1, 4, 4])
    expect([...data.slice(0, 4)]).toEqual(expected.map((value): unknown => expect.closeTo(value, 4)))
  })

  it.each([
    ['nearest-exact', [5, 7, 13, 15]],
    ['bilinear', [2.5, 4.5, 10.5, 12.5]],
    ['area', [2.5, 4.5, 10.5, 12.5]],
  ] as const)('%s reduces as PyTorch does', async (method, expected) => {
    expect([...(await by(method, grid(4, 4), 0.5)).data]).toEqual(
      expected.map((value): unknown => expect.closeTo(value, 5)),
    )
  })

  it('bislerp keeps lengths and turns vectors by even angles', async () => {
    // Two channels: a unit vector along the first at the left, along the second at the right.
    const samples = tensor(Float32Array.of(1, 0, 0, 1), [1, 2, 1, 2])
    const { data, shape } = await by('bislerp', samples, 2)
    expect(shape).toEqual([1, 2, 2, 4])
    const angles = [0, 1, 2, 3].map((x) => Math.atan2(data[8 + x]!, data[x]!))
    expect(angles).toEqual([0, 0.25, 0.75, 1].map((share): unknown => expect.closeTo((share * Math.PI) / 2, 5)))
    for (let x = 0; x < 4; x++) expect(Math.hypot(data[x]!, data[8 + x]!)).toBeCloseTo(1, 5)
  })

  it('bislerp treats the frames of a video one by one', async () => {
    const samples = normalNoise(1n, [1, 2, 3, 2, 2])
    const whole = await by('bislerp', samples, 1.5)
    expect(whole.shape).toEqual([1, 2, 3, 3, 3])
    const second = tensor(
      Float32Array.from({ length: 8 }, (_, i) => samples.data[(Math.floor(i / 4) * 3 + 1) * 4 + (i % 4)]!),
      [1, 2, 2, 2],
    )
    const alone = await by('bislerp', second, 1.5)
    alone.data.forEach((value, i) =>
      expect(whole.data[(Math.floor(i / 9) * 3 + 1) * 9 + (i % 9)]).toBeCloseTo(value, 5),
    )
  })

  it('to pixels keeps the shape where a side is 0, and crops where told', async () => {
    const to = async (more: object) =>
      (await runNode('LatentUpscale', { samples: latent(grid(8, 16)), ...more })).LATENT.samples
    expect((await to({ width: 256, height: 0 })).shape).toEqual([1, 1, 16, 32])
    expect((await to({ width: 0, height: 0 })).shape).toEqual([1, 1, 8, 16])
    const cropped = await to({ width: 64, height: 64, crop: 'center' })
    expect([...cropped.data.slice(0, 8)]).toEqual([4, 5, 6, 7, 8, 9, 10, 11])
  })
})

describe('batches', () => {
  const samples = normalNoise(1n, [3, 2, 2, 2])

  it('are repeated, each with noise of its own', async () => {
    const { LATENT } = await runNode('RepeatLatentBatch', {
      samples: latent(samples, { batch_index: [4, 6, 7] }),
      amount: 2,
    })
    expect(LATENT.samples.shape).toEqual([6, 2, 2, 2])
    expect([...LATENT.samples.data.slice(24)]).toEqual([...samples.data])
    expect(LATENT.batch_index).toEqual([4, 6, 7, 8, 10, 11])
  })

  it('are taken apart, and keep their draws and masks', async () => {
    const noise_mask = tensor(Float32Array.of(0, 0.5, 1), [3, 1, 1])
    const from = async (batch_index: number, length: number) =>
      (await runNode('LatentFromBatch', { samples: latent(samples, { noise_mask }), batch_index, length })).LATENT
    const last = await from(1, 5)
    expect([...last.samples.data]).toEqual([...samples.data.slice(8)])
    expect([last.batch_index, [...last.noise_mask!.data]]).toEqual([
      [1, 2],
      [0.5, 1],
    ])
    expect((await from(9, 1)).batch_index).toEqual([2])
  })
})

describe('LatentComposite', () => {
  it('lays one over the other, cut at the edge and blended inside', async () => {
    const [under, over] = [zeros([1, 1, 4, 4]), tensor(new Float32Array(9).fill(1), [1, 1, 3, 3])]
    const at = async (more: object) =>
      (await runNode('LatentComposite', { samples_to: latent(under), samples_from: latent(over), ...more })).LATENT
        .samples
    expect([...(await at({ x: 16, y: 8 })).data]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
    const feathered = await at({ x: 8, y: 0, feather: 16 })
    expect([...feathered.data.slice(0, 4)]).toEqual([0, 0.5, 1, 1])
    expect([...feathered.data.slice(8, 12)]).toEqual([0, 0.25, 0.5, 0.5])
    expect(under.data.every((value) => value === 0)).toBe(true)
  })
})

describe('masks', () => {
  it('go with the latent as they are', async () => {
    const mask = normalNoise(1n, [2, 8, 8])
    const { LATENT } = await runNode('SetLatentNoiseMask', { samples: latent(grid(2, 2)), mask })
    expect(LATENT.noise_mask).toEqual(mask)
  })

  it('of a hole are grown, and the hole is grey before it is encoded', async () => {
    const side = 4 * vae.factor
    const pixels = tensor(normalNoise(3n, [1, side, side, 3]).data.map(Math.abs), [1, side, side, 3])
    const hole = (at: number) => Math.floor(at / side) === 5 && at % side === 5
    const mask = tensor(
      Float32Array.from({ length: side * side }, (_, i) => (hole(i) ? 1 : 0)),
      [1, side, side],
    )
    const grown = async (grow_mask_by: number) => {
      const { LATENT } = await runNode('VAEEncodeForInpaint', { pixels, vae, mask, grow_mask_by })
      return LATENT
    }
    const count = ({ noise_mask }: Latent) => noise_mask!.data.reduce((sum, value) => sum + value, 0)
    expect([count(await grown(0)), count(await grown(3)), count(await grown(6))]).toEqual([1, 9, 36])
    const painted = { data: pixels.data.slice(), shape: pixels.shape }
    for (let c = 0; c < 3; c++) painted.data[(5 * side + 5) * 3 + c] = 0.5
    expect((await grown(3)).samples.data).toEqual((await vae.encode(painted)).data)
  })
})

describe('the autoencoder, whole and in tiles', () => {
  it('decodes and encodes to the same shapes, with the scaling told', async () => {
    const samples = latent(normalNoise(5n, [1, 4, 8, 16]))
    const whole = (await runNode('VAEDecode', { samples, vae })).IMAGE
    const tiles = { tile_size: 64, overlap: 32 }
    const tiled = (await runNode('VAEDecodeTiled', { samples, vae, ...tiles })).IMAGE
    expect(tiled.shape).toEqual(whole.shape)
    expect((await runNode('VAEDecodeTiled', { samples, vae })).IMAGE.data).toEqual(whole.data)
    const encoded = (await runNode('VAEEncodeTiled', { pixels: whole, vae, ...tiles })).LATENT
    expect(encoded.samples.shape).toEqual(samples.samples.shape)
    expect(encoded.scaling).toEqual(vae.scaling)
    expect((await runNode('VAEEncode', { pixels: whole, vae })).LATENT.scaling).toEqual(vae.scaling)
  })
})
