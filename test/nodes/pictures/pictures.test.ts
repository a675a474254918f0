/** The nodes that resize, cut, join and mask pictures. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { context } from '../context.ts'
import { declared, nodeOf, runNode } from '../run-node.ts'

const SIZE = [
  ['width', 512],
  ['height', 512],
] as const
const IMAGE = ['image', 'IMAGE'] as const
const METHOD = ['upscale_method', 'nearest-exact'] as const

it.each([
  ['ImageScale', [IMAGE, METHOD, ...SIZE, ['crop', 'disabled']]],
  ['ImageScaleBy', [IMAGE, METHOD, ['scale_by', 1]]],
  ['ImageInvert', [IMAGE]],
  [
    'ImageBatch',
    [
      ['image1', 'IMAGE'],
      ['image2', 'IMAGE'],
    ],
  ],
  ['ImageCrop', [IMAGE, ...SIZE, ['x', 0], ['y', 0]]],
  ['EmptyImage', [...SIZE, ['batch_size', 1], ['color', 0]]],
  ['MaskToImage', [['mask', 'MASK']]],
  ['ImageToMask', [IMAGE, ['channel', 'red']]],
  ['InvertMask', [['mask', 'MASK']]],
  ['SolidMask', [['value', 1], ...SIZE]],
] as const)('%s takes what ComfyUI takes, in its order, with its defaults', (type, inputs) => {
  expect(declared(type)).toEqual(inputs)
})

/** Each pixel's colour is its column, its row and 0.5. */
const gradient = (height: number, width: number, batch = 1): Tensor =>
  tensor(
    Float32Array.from({ length: batch * height * width * 3 }, (_, i) => {
      const place = Math.floor(i / 3)
      return [(place % width) / 16, (Math.floor(place / width) % height) / 16, 0.5][i % 3]!
    }),
    [batch, height, width, 3],
  )

const reds = ({ data }: Tensor): number[] => [...data].filter((_, i) => i % 3 === 0)
const near = (values: readonly number[]) => values.map((value): unknown => expect.closeTo(value, 5))

describe('sizes', () => {
  it.each([
    ['nearest-exact', [1, 3, 1, 3].map((column) => column / 16)],
    ['bilinear', [0.5, 2.5, 0.5, 2.5].map((column) => column / 16)],
    ['area', [0.5, 2.5, 0.5, 2.5].map((column) => column / 16)],
  ] as const)('%s halves', async (upscale_method, expected) => {
    const { IMAGE: made } = await runNode('ImageScale', { image: gradient(4, 4), upscale_method, width: 2, height: 2 })
    expect(reds(made)).toEqual(near(expected))
  })

  it('lanczos keeps a flat picture flat and stays in 0..1', async () => {
    const flat = tensor(new Float32Array(6 * 6 * 3).fill(0.3), [1, 6, 6, 3])
    const { IMAGE: kept } = await runNode('ImageScaleBy', { image: flat, upscale_method: 'lanczos', scale_by: 1.5 })
    expect(kept.shape).toEqual([1, 9, 9, 3])
    expect([...kept.data]).toEqual(near(Array<number>(9 * 9 * 3).fill(0.3)))
    const edge = tensor(
      Float32Array.from({ length: 48 }, (_, i) => (i % 12 < 6 ? 0 : 1)),
      [1, 4, 4, 3],
    )
    const { IMAGE: sharpened } = await runNode('ImageScale', {
      image: edge,
      upscale_method: 'lanczos',
      width: 16,
      height: 16,
    })
    expect([Math.min(...sharpened.data), Math.max(...sharpened.data)]).toEqual([0, 1])
  })

  it('a side of 0 keeps the shape; a crop keeps proportions', async () => {
    const scale = async (more: object) => (await runNode('ImageScale', { image: gradient(4, 8), ...more })).IMAGE
    expect((await scale({ width: 0, height: 2 })).shape).toEqual([1, 2, 4, 3])
    expect((await scale({ width: 0, height: 0 })).shape).toEqual([1, 4, 8, 3])
    expect(reds(await scale({ width: 4, height: 4, crop: 'center' })).slice(0, 4)).toEqual(
      near([2, 3, 4, 5].map((c) => c / 16)),
    )
  })

  it('a part is cut out, less of it at the edge', async () => {
    const crop = async (more: object) => (await runNode('ImageCrop', { image: gradient(4, 6, 2), ...more })).IMAGE
    const inside = await crop({ width: 2, height: 1, x: 3, y: 2 })
    expect([inside.shape, [...inside.data.slice(0, 3)]]).toEqual([[2, 1, 2, 3], near([3 / 16, 2 / 16, 0.5])])
    expect((await crop({ width: 9, height: 9, x: 4, y: 99 })).shape).toEqual([2, 1, 2, 3])
  })

  it('a batch takes the size of its first pictures', async () => {
    const { IMAGE: both } = await runNode('ImageBatch', { image1: gradient(2, 2, 2), image2: gradient(4, 4) })
    expect(both.shape).toEqual([3, 2, 2, 3])
    expect(reds(both).slice(8)).toEqual(near([0.5, 2.5, 0.5, 2.5].map((column) => column / 16)))
  })
})

describe('colours and masks', () => {
  it('one colour, its negative, and masks from it', async () => {
    const { IMAGE: orange } = await runNode('EmptyImage', { width: 2, height: 1, color: 0xff8000 })
    expect([...orange.data]).toEqual(near([1, 128 / 255, 0, 1, 128 / 255, 0]))
    const { IMAGE: negative } = await runNode('ImageInvert', { image: orange })
    expect([...negative.data.slice(0, 3)]).toEqual(near([0, 127 / 255, 1]))
    for (const [channel, value] of [
      ['red', 1],
      ['green', 128 / 255],
      ['blue', 0],
      ['alpha', 1],
    ] as const) {
      const { MASK } = await runNode('ImageToMask', { image: orange, channel })
      expect([MASK.shape, [...MASK.data]]).toEqual([[1, 1, 2], near([value, value])])
    }
  })

  it('masks as pictures, inverted, and of one value', async () => {
    const { MASK } = await runNode('SolidMask', { value: 0.25, width: 2, height: 1 })
    const { MASK: inverted } = await runNode('InvertMask', { mask: MASK })
    const { IMAGE: grey } = await runNode('MaskToImage', { mask: inverted })
    expect([grey.shape, [...grey.data]]).toEqual([[1, 1, 2, 3], near(Array<number>(6).fill(0.75))])
  })
})

describe('LoadImageMask', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'heddle-mask-'))
    await mkdir(join(root, 'input'))
    const rgba = Buffer.from([255, 51, 0, 255, 0, 102, 255, 0])
    await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toFile(join(root, 'input', 'two.png'))
  })
  afterAll(() => rm(root, { recursive: true }))

  it.each([
    ['alpha', [0, 1]],
    ['red', [1, 0]],
    ['green', [0.2, 0.4]],
    ['blue', [0, 1]],
  ] as const)('takes the %s channel', async (channel, expected) => {
    const { definition } = nodeOf('LoadImageMask')
    const { MASK } = (await definition.run({ image: 'two.png', channel }, context(root))) as { MASK: Tensor }
    expect([MASK.shape, [...MASK.data]]).toEqual([[1, 1, 2], near(expected)])
  })
})
