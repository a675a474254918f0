/** The nodes that mix, limit and encode prompts. */
import { describe, expect, it } from 'vitest'
import type { Conditioning, TextEncoders } from '../../../diffusion/families/contract.ts'
import { Sd3TextEncoders } from '../../../diffusion/families/sd3/text.ts'
import type { ClipEncoder, T5Encoder } from '../../../diffusion/families/text/encoders.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { declared, runNode } from '../run-node.ts'

const ONE = ['conditioning', 'CONDITIONING'] as const
const PAIR = [
  ['conditioning_to', 'CONDITIONING'],
  ['conditioning_from', 'CONDITIONING'],
] as const
const CLIP = ['clip', 'CLIP'] as const

it.each([
  ['ConditioningZeroOut', [ONE]],
  [
    'ConditioningCombine',
    [
      ['conditioning_1', 'CONDITIONING'],
      ['conditioning_2', 'CONDITIONING'],
    ],
  ],
  ['ConditioningAverage', [...PAIR, ['conditioning_to_strength', 1]]],
  ['ConditioningConcat', PAIR],
  ['ConditioningSetTimestepRange', [ONE, ['start', 0], ['end', 1]]],
  ['CLIPTextEncodeFlux', [CLIP, ['clip_l', ''], ['t5xxl', ''], ['guidance', 3.5]]],
  ['CLIPTextEncodeSD3', [CLIP, ['clip_l', ''], ['clip_g', ''], ['t5xxl', ''], ['empty_padding', 'none']]],
  ['CLIPTextEncodePixArtAlpha', [['width', 1024], ['height', 1024], ['text', ''], CLIP]],
] as const)('%s takes what ComfyUI takes, in its order, with its defaults', (type, inputs) => {
  expect(declared(type)).toEqual(inputs)
})

const prompt = (
  tokens: readonly number[],
  pooled: readonly number[] | null,
  more: Partial<Conditioning> = {},
): Conditioning => ({
  tokens: tensor(Float32Array.from(tokens), [1, tokens.length / 2, 2]),
  pooled: pooled && tensor(Float32Array.from(pooled), [1, pooled.length]),
  extras: { guidance: 2 },
  ...more,
})
const values = ({ tokens, pooled }: Conditioning) => [[...tokens.data], pooled && [...pooled.data]]

const long = prompt([1, 2, 3, 4], [1, 1])
const short = prompt([10, 20], [3, 5])

describe('mixing', () => {
  it('zeros out text and pooled text, and leaves the rest', async () => {
    const { CONDITIONING } = await runNode('ConditioningZeroOut', { conditioning: [long, prompt([1, 1], null)] })
    expect(CONDITIONING.map(values)).toEqual([
      [
        [0, 0, 0, 0],
        [0, 0],
      ],
      [[0, 0], null],
    ])
    expect(CONDITIONING[0]!.extras).toEqual({ guidance: 2 })
    expect(long.tokens.data[0]).toBe(1)
  })

  it('combines by keeping both', async () => {
    const { CONDITIONING } = await runNode('ConditioningCombine', { conditioning_1: [long], conditioning_2: [short] })
    expect(CONDITIONING).toEqual([long, short])
  })

  it.each([
    [
      'the longer with the shorter, filled up',
      long,
      short,
      [
        [5.5, 11, 1.5, 2],
        [2, 3],
      ],
    ],
    [
      'the shorter with the longer, cut',
      short,
      long,
      [
        [5.5, 11],
        [2, 3],
      ],
    ],
    [
      'without a pooled text of its own',
      prompt([0, 0], null),
      short,
      [
        [5, 10],
        [3, 5],
      ],
    ],
    [
      'with one that has no pooled text',
      short,
      prompt([0, 0], null),
      [
        [5, 10],
        [3, 5],
      ],
    ],
  ] as const)('averages %s', async (_, conditioning_to, conditioning_from, expected) => {
    const given = { conditioning_to: [conditioning_to], conditioning_from: [conditioning_from] }
    const { CONDITIONING } = await runNode('ConditioningAverage', { ...given, conditioning_to_strength: 0.5 })
    expect(values(CONDITIONING[0]!)).toEqual(expected)
  })

  it('appends tokens, and says which of them are text where one prompt does', async () => {
    const masked = prompt([7, 8, 0, 0], null, { mask: tensor(Float32Array.of(1, 0), [1, 2]) })
    const of = async (to: Conditioning, from: Conditioning) =>
      (await runNode('ConditioningConcat', { conditioning_to: [to], conditioning_from: [from] })).CONDITIONING[0]!
    expect(values(await of(long, short))).toEqual([
      [1, 2, 3, 4, 10, 20],
      [1, 1],
    ])
    expect((await of(long, short)).mask).toBeUndefined()
    expect([...(await of(short, masked)).mask!.data]).toEqual([1, 1, 0])
    const wide = { ...short, tokens: tensor(new Float32Array(3), [1, 1, 3]) }
    await expect(of(short, wide)).rejects.toThrow(/tokens of 2 values and of 3/)
    await expect(runNode('ConditioningConcat', { conditioning_to: [long], conditioning_from: [] })).rejects.toThrow(
      /no prompt/,
    )
  })

  it('limits a prompt to a part of sampling', async () => {
    const { CONDITIONING } = await runNode('ConditioningSetTimestepRange', {
      conditioning: [long],
      start: 0.25,
      end: 0.5,
    })
    expect(CONDITIONING).toEqual([{ ...long, range: { start: 0.25, end: 0.5 } }])
  })
})

describe('encoding', () => {
  const asked: unknown[] = []
  const clip: TextEncoders = {
    encode: (text) => Promise.resolve((asked.push(text), short)),
    encodeEach: (texts) => Promise.resolve((asked.push(texts), short)),
  }
  const single: TextEncoders = { encode: () => Promise.resolve(short) }

  it('hands each encoder its text, and FLUX its guidance', async () => {
    const { CONDITIONING } = await runNode('CLIPTextEncodeFlux', { clip, clip_l: 'a', t5xxl: 'b', guidance: 2.5 })
    expect([asked.pop(), CONDITIONING[0]!.extras]).toEqual([{ l: 'a', t5xxl: 'b' }, { guidance: 2.5 }])
    await runNode('CLIPTextEncodeSD3', { clip, clip_l: 'a', t5xxl: 'c' })
    expect(asked.pop()).toEqual({ l: 'a', t5xxl: 'c' })
    await runNode('CLIPTextEncodeSD3', { clip, clip_l: 'a', empty_padding: 'empty_prompt' })
    expect(asked.pop()).toEqual({ l: 'a', g: '', t5xxl: '' })
    await expect(runNode('CLIPTextEncodeFlux', { clip: single })).rejects.toThrow(
      /CLIPTextEncodeFlux: these text encoders/,
    )
  })

  it('tells PixArt the size', async () => {
    const { CONDITIONING } = await runNode('CLIPTextEncodePixArtAlpha', { clip, text: 'x', width: 512, height: 256 })
    expect(CONDITIONING[0]!.extras).toEqual({ guidance: 2, width: 512, height: 256 })
  })

  it('of SD3: a CLIP without a text is zeros, T5 without one is left out', async () => {
    const stub = (width: number, value: number) =>
      ({
        width,
        states: () =>
          Promise.resolve({
            penultimate: tensor(new Float32Array(3 * width).fill(value), [1, 3, width]),
            pooled: tensor(new Float32Array(width).fill(value), [1, width]),
          }),
      }) as unknown as ClipEncoder
    const t5 = {
      width: 4,
      tokens: () => Promise.resolve(tensor(new Float32Array(8).fill(9), [1, 2, 4])),
    } as unknown as T5Encoder
    const encoders = new Sd3TextEncoders([stub(2, 1), stub(1, 2)], t5, 4)
    const all = await encoders.encode('x')
    expect([all.tokens.shape, [...all.tokens.data.slice(0, 4)], [...all.pooled!.data]]).toEqual([
      [1, 5, 4],
      [1, 1, 2, 0],
      [1, 1, 2],
    ])
    const noLarge = await encoders.encodeEach({ g: 'x' })
    expect([noLarge.tokens.shape, [...noLarge.tokens.data.slice(0, 4)], [...noLarge.pooled!.data]]).toEqual([
      [1, 3, 4],
      [0, 0, 2, 0],
      [0, 0, 2],
    ])
    const onlyT5 = await encoders.encodeEach({ t5xxl: 'x' })
    expect([onlyT5.tokens.shape, [...onlyT5.pooled!.data]]).toEqual([
      [1, 2, 4],
      [0, 0, 0],
    ])
    expect((await encoders.encodeEach({})).tokens.shape).toEqual([1, 77, 4])
  })
})
