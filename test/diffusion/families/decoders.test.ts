/** Language models as readers of prompts: LLaMA's descendants told apart and run, templates left out or kept, Qwen's tokenizer. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { byteTokenizerJson } from '../../../diffusion/families/text/byte-tokenizer.ts'
import { DecoderEncoder, type Reading } from '../../../diffusion/families/text/decoder.ts'
import llama from '../../../diffusion/families/text/kinds/llama.ts'
import qwen2 from '../../../diffusion/families/text/kinds/qwen2.ts'
import qwen3 from '../../../diffusion/families/text/kinds/qwen3.ts'
import { parseLlamaConfig } from '../../../diffusion/families/text/llama.ts'
import { TextTokenizer } from '../../../diffusion/families/text/text-tokenizer.ts'
import { openWeights, readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor, zeros } from '../../../diffusion/tensor.ts'
import { fixtures } from './rekeyed.ts'
import { encode, type Tensors } from './synthetic.ts'

const dir = join(fixtures, 'llama-a')
const CONFIG = { added_tokens_decoder: { 12: { content: '<|im_start|>', special: true } } }
const VOCABULARY = Object.fromEntries(
  ['a', 'b', 'c', 'ab', '\u0120', '\u0120ab', '\u0120a', '\u010a', 'A', '\u00c3', '\u00a9', '1'].map((t, i) => [t, i]),
)
const tokenizer = () =>
  new TextTokenizer(
    byteTokenizerJson(VOCABULARY, '#version: 0.2\n\u0120 a\n\u0120a b\na b\n', CONFIG),
    CONFIG,
    64,
    'it',
  )

let root: string
let plain: Tensors
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'decoders-'))
  plain = await readTensors(join(dir, 'model.safetensors'))
})
afterAll(() => rm(root, { recursive: true }))

describe("Qwen's tokenizer from vocab.json and merges.txt", () => {
  it('merges bytes inside words, keeps case, digits apart, and knows added tokens', () => {
    expect(tokenizer().bare('ab ab')).toEqual([3, 5])
    expect(tokenizer().bare('<|im_start|>ab\nA')).toEqual([12, 3, 7, 8])
    expect(tokenizer().bare('11')).toEqual([11, 11])
    // Two bytes of one letter.
    expect(tokenizer().bare('\u00e9')).toEqual([9, 10])
  })
})

/** The states of a text by a model with more tensors than LLaMA has. */
async function read(name: string, more: Tensors, reading: Partial<Reading> = {}) {
  const path = join(root, `${name}.safetensors`)
  await writeFile(path, encode({ ...plain, ...more }))
  const json = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as Readonly<Record<string, unknown>>
  const encoder = new DecoderEncoder(
    parseLlamaConfig(json, 'it', ['llama']),
    await openWeights(path),
    tokenizer(),
    name,
  )
  const whole = { before: 'c', keepsBefore: false, after: 'b', layersFromEnd: [0], limit: 20, ...reading }
  const states = await encoder.states('ab a', whole)
  await encoder.release()
  return states
}

const perLayer = (name: string, of: () => Tensors[string]): Tensors =>
  Object.fromEntries([0, 1, 2].map((i) => [`layers.${i}.self_attn.${name}`, of()]))

describe('readers of prompts', () => {
  it('are told apart by their keys', () => {
    const keys = (more: Tensors) =>
      new Map(
        Object.entries({ ...plain, ...more }).map(([name, { shape }]) => [
          name,
          { name, shape, file: '', dtype: 'F32' as const, offset: 0, length: 0 },
        ]),
      )
    const of = (more: Tensors) => [llama, qwen2, qwen3].map((kind) => kind.canonical(keys(more)) !== null)
    expect(of({})).toEqual([true, false, false])
    expect(of(perLayer('q_proj.bias', () => zeros([32])))).toEqual([false, true, false])
    expect(of(perLayer('q_norm.weight', () => zeros([8])))).toEqual([false, false, true])
  })

  it('biases and norms of the heads count where there are any', async () => {
    const [own] = await read('llama', {})
    const [same] = await read(
      'zero biases',
      perLayer('q_proj.bias', () => zeros([32])),
    )
    expect([...same!.data]).toEqual([...own!.data])
    for (const more of [
      perLayer('q_proj.bias', () => normalNoise(1n, [32])),
      perLayer('q_norm.weight', () => tensor(new Float32Array(8).fill(1), [8])),
    ]) {
      const [other] = await read('other', more)
      expect(other!.data.every(Number.isFinite)).toBe(true)
      expect([...other!.data]).not.toEqual([...own!.data])
    }
  })

  it('leave the template out or keep it, and give several states at once', async () => {
    const [cut, earlier] = await read('llama', {}, { layersFromEnd: [0, 2] })
    const [kept] = await read('llama', {}, { keepsBefore: true })
    expect([cut!.shape[1], kept!.shape[1]]).toEqual([2, 3])
    expect([...kept!.data.slice(32)]).toEqual([...cut!.data])
    expect([...earlier!.data]).not.toEqual([...cut!.data])
    await expect(read('llama', {}, { layersFromEnd: [4] })).rejects.toThrow(/has 3 layers, too few/)
  })
})
