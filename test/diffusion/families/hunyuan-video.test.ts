/** HunyuanVideo from a whole folder to frames, its prompts' padding, caching methods on it, and the published sizes from shapes alone. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../../diffusion/families/checkpoint.ts'
import type { Checkpoint, Conditioning } from '../../../diffusion/families/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { concatRows, tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import { cachingNodes, configured, type Settings } from '../../nodes/caching/subject.ts'
import { fixtures } from './rekeyed.ts'
import { encode } from './synthetic.ts'

const WEIGHTS = 'diffusion_pytorch_model.safetensors'
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('')
const SPECIAL = ['<unk>', '<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']
const words = [...SPECIAL, '\u2581', '\u2581red', '\u2581house', ...LETTERS]

/** Pieces of text between LLaMA's special tokens; texts begin with one, and nothing ends them. */
const llamaTokenizer = {
  version: '1.0',
  added_tokens: SPECIAL.map((content, id) => ({ id, content, special: true })),
  normalizer: { type: 'NFKC' },
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: false, prepend_scheme: 'never' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<|begin_of_text|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<|begin_of_text|>': { id: '<|begin_of_text|>', ids: [1], tokens: ['<|begin_of_text|>'] } },
  },
  decoder: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: false },
  model: { type: 'Unigram', unk_id: 0, vocab: words.map((word, i) => [word, i < SPECIAL.length ? 0 : -word.length]) },
}

const clipVocabulary = Object.fromEntries(
  [...LETTERS, ...LETTERS.map((l) => `${l}</w>`), '<|startoftext|>', '<|endoftext|>'].map((word, id) => [word, id]),
)

let folder: string
let opened: Checkpoint & { release(): Promise<void> }

/** A HunyuanVideoPipeline of the tiny references; the transformer's text layers are made as wide as the encoders' states. */
async function writeFolder(): Promise<void> {
  for (const [from, to] of [
    ['hunyuanvideo-a', 'transformer'],
    ['vae-hunyuan-a', 'vae'],
    ['llama-a', 'text_encoder'],
    ['clip-l-a', 'text_encoder_2'],
  ] as const)
    await cp(join(fixtures, from), join(folder, to), { recursive: true })
  const json = (path: string, value: unknown) => writeFile(join(folder, path), JSON.stringify(value))
  for (const part of ['tokenizer', 'tokenizer_2', 'scheduler']) await mkdir(join(folder, part))
  await json('model_index.json', { _class_name: 'HunyuanVideoPipeline' })
  await json('scheduler/scheduler_config.json', { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 7 })
  await json('tokenizer/tokenizer.json', llamaTokenizer)
  await json('tokenizer/tokenizer_config.json', { model_max_length: 4096 })
  await json('tokenizer_2/vocab.json', clipVocabulary)
  await writeFile(join(folder, 'tokenizer_2/merges.txt'), '#version: 0.2\n')
  await json('tokenizer_2/tokenizer_config.json', { model_max_length: 77, pad_token: '<|endoftext|>' })
  const config = join(folder, 'transformer/config.json')
  const sizes = { text_embed_dim: 32, pooled_projection_dim: 32 }
  await writeFile(config, JSON.stringify({ ...(JSON.parse(await readFile(config, 'utf8')) as object), ...sizes }))
  await writeFile(
    join(folder, 'transformer', WEIGHTS),
    encode({
      ...(await readTensors(join(folder, 'transformer', WEIGHTS))),
      'context_embedder.proj_in.weight': normalNoise(1n, [24, 32]),
      'context_embedder.time_text_embed.text_embedder.linear_1.weight': normalNoise(2n, [24, 32]),
      'time_text_embed.text_embedder.linear_1.weight': normalNoise(3n, [24, 32]),
    }),
  )
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hunyuan-'))
  await writeFolder()
  opened = await openCheckpoint(folder)
})
afterAll(async () => {
  await opened.release()
  await rm(folder, { recursive: true })
})

const draw = (positive: readonly Conditioning[], cache: CacheConfiguration | null = null, steps = 2, batch = 1) => {
  const noise = normalNoise(5n, [batch, 4, 2, 4, 6])
  return sample({
    ...{ model: opened.model, noise, sampler: samplers.get('euler')!, cache, guidance: 1, latent: zeros(noise.shape) },
    ...{ positive, negative: [] },
    sigmas: runSigmas(schedules.get('simple')!, steps, 1, opened.model.parametrisation),
    signal: new AbortController().signal,
  })
}

describe('a whole folder', () => {
  it('reads a prompt behind its template, samples and gives frames', async () => {
    const { model, clip, vae } = opened
    expect(model).toMatchObject({ family: 'hunyuan-video', parametrisation: { kind: 'flow', shift: 7 } })
    expect(model.latent).toMatchObject({ channels: 4, factor: 8, temporalFactor: 4 })
    const [short, long] = [await clip.encode('red house'), await clip.encode('red house by a lake')]
    // 'red' without a space before it is three letters; then the house, and the token that ends a turn.
    expect(short.tokens.shape).toEqual([1, 5, 32])
    expect(long.tokens.shape[1]).toBeGreaterThan(5)
    // A token sees those before it only.
    const [same, other] = [long, short].map(({ tokens }) => [...tokens.data.slice(0, 4 * 32)])
    same!.forEach((value, i) => expect(value).toBeCloseTo(other![i]!, 5))
    const { samples } = await draw([short])
    expect(samples.shape).toEqual([1, 4, 2, 4, 6])
    expect((await draw([long])).samples.data).not.toEqual(samples.data)
    const frames = await vae.decode(samples)
    expect(frames.shape).toEqual([5, 32, 48, 3])
    expect((await vae.encode(frames)).shape).toEqual([1, 4, 2, 4, 6])
  })

  it('cuts a prompt that is too long, and says so', async () => {
    const warnings: string[] = []
    const { tokens } = await opened.clip.encode('red '.repeat(400), (message) => warnings.push(message))
    expect(tokens.shape[1]).toBe(256)
    expect(warnings.some((message) => message.includes('LLaMA'))).toBe(true)
  })

  it('long videos are decoded in stretches that fade into each other', async () => {
    const latent = normalNoise(9n, [1, 4, 7, 2, 2])
    const frames = await opened.vae.decode(latent)
    expect(frames.shape).toEqual([25, 16, 16, 3])
    const first = tensor(concatFrames(latent, 0, 5).data, [1, 4, 5, 2, 2])
    const alone = await opened.vae.decode(first)
    const size = 16 * 16 * 3
    // Thirteen frames of the first stretch stand as they are; the next ones are its and the second's.
    expect([...frames.data.slice(0, 13 * size)]).toEqual([...alone.data.slice(0, 13 * size)])
    expect([...frames.data.slice(14 * size, 17 * size)]).not.toEqual([...alone.data.slice(14 * size)])
  })
})

/** Frames [from, to) of a latent [1, C, F, h, w]. */
function concatFrames({ data, shape }: Tensor, from: number, to: number): Tensor {
  const [, channels = 0, frames = 0, h = 0, w = 0] = shape
  const planes = Array.from({ length: channels }, (_, c) =>
    tensor(data.slice((c * frames + from) * h * w, (c * frames + to) * h * w), [1, (to - from) * h * w]),
  )
  return concatRows(planes)
}

describe('prompts', () => {
  const prompt = (tokens: Tensor, mask?: readonly number[], guidance = 6): Conditioning => ({
    ...{ tokens, pooled: normalNoise(4n, [1, 32]), extras: { guidance } },
    ...(mask ? { mask: tensor(Float32Array.from(mask), [1, mask.length]) } : {}),
  })
  const text = normalNoise(6n, [1, 4, 32])
  const padded = (filling: bigint): Tensor =>
    tensor(new Float32Array([...text.data, ...normalNoise(filling, [1, 3, 32]).data]), [1, 7, 32])

  it('padding counts for nothing, guidance does', async () => {
    const { samples } = await draw([prompt(text)])
    for (const filling of [7n, 8n])
      expect((await draw([prompt(padded(filling), [1, 1, 1, 1, 0, 0, 0])])).samples.data).toEqual(samples.data)
    expect((await draw([prompt(padded(7n))])).samples.data).not.toEqual(samples.data)
    expect((await draw([prompt(text, undefined, 1)])).samples.data).not.toEqual(samples.data)
  })

  it('a token that the mask leaves out is looked at by none', async () => {
    const { transformer } = opened.model
    const firstRefined = async (second: bigint): Promise<number[]> => {
      const changed = tensor(text.data.slice(), text.shape)
      changed.data.set(normalNoise(second, [1, 32]).data.slice(0, 32), 32)
      const { rows, shared } = await transformer.prepare(prompt(changed, [1, 0, 1, 1]), [4, 2, 4, 6])
      const told = { latent: normalNoise(5n, [1, 4, 2, 4, 6]), timestep: tensor(Float32Array.of(500), [1]) }
      const { text: refined } = await transformer.run({ kind: 'embed' }, { ...rows, ...told }, shared)
      expect(refined!.shape).toEqual([1, 3, 24])
      return [...refined!.data.slice(0, 24)]
    }
    expect(await firstRefined(11n)).toEqual(await firstRefined(12n))
  })

  it('says all that does not suit the model', async () => {
    const wrong: Conditioning = { ...prompt(normalNoise(1n, [1, 4, 31]), [0, 0, 0, 0]), pooled: null }
    await expect(opened.model.transformer.prepare(wrong, [4, 2, 3, 6])).rejects.toThrow(
      /multiples of 1 x 2 x 2; text tokens are \[1, 4, 31\].*; pooled text is absent.*; the mask/,
    )
  })
})

describe('caching methods', () => {
  const node = async (type: string, settings: Settings): Promise<CacheConfiguration> => {
    const found = (await cachingNodes()).find(({ definition }) => definition.type === type)
    if (!found) throw new Error(`no node ${type}`)
    return configured(found, settings)
  }

  it.each([
    ['DiCache', { preset: 'official-hunyuan' }],
    ['DiCache', { preset: 'custom', threshold: 1 }],
    ['TeaCache', { table: 'HunyuanVideo', preset: 'official' }],
    ['MagCache', { table: 'HunyuanVideo-540p' }],
    ['FirstBlockCache', { threshold: 5 }],
    ['EasyCache', { preset: 'official' }],
    ['PAB', {}],
    ['ProCache', {}],
    ['ForecastCache', {}],
  ] as const)('%s runs with its settings for this model: %o', async (type, settings) => {
    const conditioning = await opened.clip.encode('red house')
    const { samples, report } = await draw([conditioning], await node(type, settings), 12)
    expect(samples.data.every(Number.isFinite)).toBe(true)
    expect(report.totalBlocks).toBe(12 * 4)
  })
})
