/** Weights inside prompts and prompts longer than the encoder, as ComfyUI reads them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWeightsFolder } from '../../../diffusion/onnx/weights.ts'
import { readJson } from '../../../diffusion/families/json.ts'
import { weightedTexts } from '../../../diffusion/families/text/emphasis.ts'
import type { ClipEncoder } from '../../../diffusion/families/text/encoders.ts'
import clip from '../../../diffusion/families/text/kinds/clip.ts'
import { openTokenizer } from '../../../diffusion/families/text/tokenizer.ts'
import type { TextTokenizer } from '../../../diffusion/families/text/text-tokenizer.ts'
import { row, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const told = (prompt: string) => weightedTexts(prompt).map(({ text, weight }) => [text, Number(weight.toFixed(6))])

describe('weights', () => {
  it.each([
    ['a cat', [['a cat', 1]]],
    ['', []],
    [
      'a (red:1.3) cat',
      [
        ['a ', 1],
        ['red', 1.3],
        [' cat', 1],
      ],
    ],
    [
      '(more) ((most))',
      [
        ['more', 1.1],
        [' ', 1],
        ['most', 1.21],
      ],
    ],
    [
      '(a (b:0.5) c:2)',
      [
        ['a ', 2],
        ['b', 0.5],
        [' c', 2],
      ],
    ],
    [
      '(a (b) c:2)',
      [
        ['a ', 2],
        ['b', 2.2],
        [' c', 2],
      ],
    ],
    ['(time 12:30:1.5)', [['time 12:30', 1.5]]],
    ['(no number: here)', [['no number: here', 1.1]]],
    ['(:3)', [[':3', 1.1]]],
    [
      String.raw`smile \(:\) (\(x\):2)`,
      [
        ['smile (:) ', 1],
        ['(x)', 2],
      ],
    ],
    ['(never closed', [['(never closed', 1]]],
    ['closed) (twice)', [['closed) (twice)', 1]]],
  ])('of %j', (prompt, expected) => {
    expect(told(prompt)).toEqual(expected)
  })
})

let root: string
let tokenizer: TextTokenizer
let encoder: ClipEncoder
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'emphasis-'))
  await writeTinyCheckpoint(root)
  tokenizer = await openTokenizer(join(root, 'tokenizer'), 16, 'CLIP')
  const folder = join(root, 'text_encoder')
  encoder = await clip.open({
    weights: await openWeightsFolder(folder),
    config: await readJson(join(folder, 'config.json')),
    tokenizer: { folders: [join(root, 'tokenizer')], embedded: null, advice: null },
    tokens: null,
  })
})
afterAll(async () => {
  await encoder.release()
  await rm(root, { recursive: true })
})

const START = 53
const END = 54
const letters = (count: number): string => 'c '.repeat(count)
/** How many tokens of the text each section has, and the weights that are not 1. */
const shape = (prompt: string) =>
  tokenizer.sections(weightedTexts(prompt)).map(({ ids, weights }) => {
    expect([ids.length, weights.length, ids[0]]).toEqual([16, 16, START])
    return [ids.indexOf(END) - 1, weights.filter((weight) => weight !== 1)]
  })

describe('sections', () => {
  it('are as many as the text takes, one at least', () => {
    expect(shape('')).toEqual([[0, []]])
    expect(shape(letters(14))).toEqual([[14, []]])
    expect(shape(letters(15))).toEqual([
      [14, []],
      [1, []],
    ])
    expect(shape(letters(30))).toEqual([
      [14, []],
      [14, []],
      [2, []],
    ])
  })

  it('divide long stretches, and begin anew for short ones', () => {
    expect(shape(`${letters(12)}(${letters(3)}:2)`)).toEqual([
      [12, []],
      [3, [2, 2, 2]],
    ])
    expect(shape(`${letters(12)}(${letters(8)}:2)`)).toEqual([
      [14, [2, 2]],
      [6, new Array(6).fill(2)],
    ])
  })

  it('end at the 32nd, with a word about it', () => {
    const warnings: string[] = []
    const all = tokenizer.sections(weightedTexts(letters(600)), (message) => warnings.push(message))
    expect([all.length, warnings.length]).toEqual([32, 1])
    expect(warnings[0]).toMatch(/CLIP takes 32 times 14 tokens/)
  })
})

const width = 32
const at = ({ data }: Tensor, token: number): readonly number[] => [
  ...data.subarray(token * width, (token + 1) * width),
]

describe('states', () => {
  it('move away from those of an empty text by the weight, and the others stay', async () => {
    const [plain, none, much] = [
      await encoder.states('a b', undefined),
      await encoder.states('', undefined),
      await encoder.states('a (b:1.5)', undefined),
    ]
    for (const name of ['last', 'penultimate', 'skipped'] as const) {
      const moved = at(none[name], 2).map((value, i) => value + 1.5 * (at(plain[name], 2)[i]! - value))
      at(much[name], 2).forEach((value, i) => expect(value).toBeCloseTo(moved[i]!, 5))
      for (const token of [0, 1, 3, 15]) expect(at(much[name], token)).toEqual(at(plain[name], token))
    }
    expect(much.pooled).toEqual(plain.pooled)
    expect(await encoder.pooled('a (b:1.5)', undefined)).toEqual(await encoder.pooled('a b', undefined))
  })

  it('of a long text are those of its sections in a row; the first gives the pooled text', async () => {
    const long = await encoder.states(`${letters(14)}a b`, undefined)
    const [first, second] = [await encoder.states(letters(14), undefined), await encoder.states('a b', undefined)]
    expect(long.last.shape).toEqual([1, 32, width])
    const halves = tensor(long.last.data, [2, 16, width])
    expect([row(halves, 0), row(halves, 1)]).toEqual([first.last, second.last])
    expect(long.pooled).toEqual(first.pooled)
    const filled = await encoder.states('a b', undefined, 2)
    const blank = await encoder.states('', undefined)
    expect(row(tensor(filled.last.data, [2, 16, width]), 1)).toEqual(blank.last)
    expect([encoder.sections('a b'), encoder.sections(letters(15))]).toEqual([1, 2])
  })
})
