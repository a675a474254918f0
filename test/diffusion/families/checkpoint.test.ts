/** Whole checkpoints from disk: what is opened, what is refused and how, and texts of every length. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  isCheckpointFolder,
  openCheckpoint,
  openDiffusionModel,
  UnknownModelError,
} from '../../../diffusion/families/checkpoint.ts'
import { openTokenizer } from '../../../diffusion/families/text/tokenizer.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
let root: string
let whole: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'checkpoint-'))
  whole = join(root, 'whole')
  await writeTinyCheckpoint(whole)
})
afterAll(() => rm(root, { recursive: true }))

/** A copy of the whole folder to break. */
async function copy(name: string): Promise<string> {
  const folder = join(root, name)
  await cp(whole, folder, { recursive: true })
  return folder
}

describe('openCheckpoint', () => {
  it('gives model, text encoders and autoencoder', async () => {
    const checkpoint = await openCheckpoint(whole)
    const { model, clip, vae } = checkpoint
    expect(model).toMatchObject({
      family: 'flux',
      name: 'whole',
      parametrisation: { kind: 'flow', shift: 3, trainSteps: 1000 },
      latent: { channels: 4, factor: 4, rgb: null },
    })
    expect(vae).toMatchObject({ channels: 4, factor: 4 })
    const conditioning = await clip.encode('red house')
    expect(conditioning.tokens.shape).toEqual([1, 12, 32])
    expect(conditioning.pooled?.shape).toEqual([1, 32])
    await expect(model.transformer.prepare(conditioning, [4, 4, 4])).rejects.toThrow(
      /\[1, 12, 32\], expected \[1, L, 24\].*\[1, 32\], expected \[1, 20\]/,
    )
    await checkpoint.release()
  })

  it('reads how latents look from latent_rgb.json', async () => {
    const folder = await copy('rgb')
    const file = join(folder, 'vae/latent_rgb.json')
    const rgb = {
      weights: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, 0],
      ],
      bias: [0.5, 0.5, 0.5],
    }
    await writeFile(file, JSON.stringify(rgb))
    expect((await openCheckpoint(folder)).model.latent.rgb).toEqual(rgb)
    await writeFile(file, JSON.stringify({ ...rgb, weights: [[1, 0, 0]] }))
    await expect(openCheckpoint(folder)).rejects.toThrow(/latent_rgb\.json: expected weights \[4\]\[3\]/)
  })

  it('takes the shift of a schedule that depends on the size from the family', async () => {
    const folder = await copy('dynamic')
    const scheduler = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3, use_dynamic_shifting: true }
    await writeFile(join(folder, 'scheduler/scheduler_config.json'), JSON.stringify(scheduler))
    expect((await openCheckpoint(folder)).model.parametrisation).toMatchObject({ shift: Math.exp(1.15) })
  })

  it.each([
    [
      'a pipeline of no known family',
      'model_index.json',
      '{"_class_name":"CogView4Pipeline"}',
      /CogView4Pipeline.*FluxPipeline/,
    ],
    ['a configuration that is no JSON', 'vae/config.json', '{', /vae\/config\.json: not JSON/],
    [
      'an activation it does not know',
      'text_encoder_2/config.json',
      '{"feed_forward_proj":"relu"}',
      /feed_forward_proj is "relu"/,
    ],
    ['another scheduler', 'scheduler/scheduler_config.json', '{"_class_name":"DDIMScheduler"}', /DDIMScheduler/],
    [
      'a broken file',
      'text_encoder/model.safetensors',
      'PK\u0003\u0004 a zip file',
      /text_encoder\/model\.safetensors/,
    ],
  ])('refuses %s, naming it', async (name, file, content, message) => {
    const folder = await copy(name.replaceAll(' ', '-'))
    await writeFile(join(folder, file), content)
    await expect(openCheckpoint(folder)).rejects.toThrow(message)
  })

  it('refuses an autoencoder of another model', async () => {
    const folder = await copy('other-vae')
    await cp(join(fixtures, 'vae-kl16-a'), join(folder, 'vae'), { recursive: true })
    await expect(openCheckpoint(folder)).rejects.toThrow(/takes 4 latent channels, the vae has 16/)
  })

  it('refuses a tokenizer whose words the encoder does not have', async () => {
    const folder = await copy('vocabulary')
    const file = join(folder, 'tokenizer/vocab.json')
    const vocabulary = JSON.parse(await readFile(file, 'utf8')) as Record<string, number>
    const more = Array.from({ length: 60 }, (_, i) => [`word${i}`, Object.keys(vocabulary).length + i] as const)
    await writeFile(file, JSON.stringify({ ...vocabulary, ...Object.fromEntries(more) }))
    await expect(openCheckpoint(folder)).rejects.toThrow(/ids up to 114.*99 rows/)
  })
})

describe('openDiffusionModel', () => {
  it.each(['diffusion_pytorch_model.safetensors', 'original_keys.safetensors'])('opens %s', async (file) => {
    const model = await openDiffusionModel(join(fixtures, 'flux-dev-a', file))
    expect(model).toMatchObject({ family: 'flux', name: file, latent: { channels: 4, factor: 8 } })
    expect(model.transformer.facts.depth).toBe(5)
    await model.transformer.release()
  })

  it('takes the transformer out of a whole folder', async () => {
    const model = await openDiffusionModel(whole)
    expect(model).toMatchObject({ family: 'flux', latent: { channels: 4 } })
  })

  it('tells the nearest families of a file it does not know', async () => {
    const file = join(root, 'unknown.safetensors')
    await writeFile(file, encodeSafetensors({ 'unet.weight': { shape: [1], data: [1] } }))
    await expect(openDiffusionModel(file)).rejects.toThrow(UnknownModelError)
    await expect(openDiffusionModel(file)).rejects.toThrow(
      /unknown\.safetensors.*1 tensors \(unet\.weight.*Nearest: .* keys\) fits 0 %/,
    )
    await expect(openDiffusionModel(join(fixtures, 'vae-kl-a'))).rejects.toThrow(UnknownModelError)
  })

  it('tells whole models from their parts', async () => {
    expect(await isCheckpointFolder(whole)).toBe(true)
    expect(await isCheckpointFolder(join(whole, 'vae'))).toBe(false)
  })
})

describe('tokenizers', () => {
  it('frame, pad and merge as CLIP does, from vocab.json and merges.txt', async () => {
    const tokenizer = await openTokenizer(join(whole, 'tokenizer'), 8, 'CLIP')
    const [a, start, end] = [26, 53, 54]
    expect(tokenizer.encode('AB  a')).toEqual([start, 52, a, end, end, end, end, end])
    expect(tokenizer.encode('')).toEqual([start, end, end, end, end, end, end, end])
  })

  it('cut what does not fit and say so, keeping the last special token', async () => {
    const tokenizer = await openTokenizer(join(whole, 'tokenizer_2'), 512, 'T5')
    const warnings: string[] = []
    const ids = tokenizer.encode('red house '.repeat(20), (message) => warnings.push(message))
    expect(ids).toEqual([4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 1])
    expect(warnings).toEqual([expect.stringMatching(/^T5 takes 11 tokens.*cut before "house red/)])
    expect(tokenizer.encode('red', () => warnings.push('again'))).toEqual([4, 1, ...new Array<number>(10).fill(0)])
    expect(warnings.length).toBe(1)
  })

  it.each([
    ['words', 'red house '.repeat(10_000)],
    ['one word', 'x'.repeat(100_000)],
    ['spaces', `${' '.repeat(100_000)}red`],
    ['emoji', '\u{1F3E0}'.repeat(50_000)],
  ])('answer 100 kB of %s at once', async (_, text) => {
    const tokenizers = [
      await openTokenizer(join(whole, 'tokenizer'), 77, 'CLIP'),
      await openTokenizer(join(whole, 'tokenizer_2'), 512, 'T5'),
    ]
    // Processor time, since others may keep the cores busy.
    const begin = process.cpuUsage()
    for (const tokenizer of tokenizers) expect(tokenizer.encode(text).length).toBe(tokenizer.limit)
    expect(process.cpuUsage(begin).user).toBeLessThan(1_000_000)
  })

  it('say which folder has a definition that cannot be read', async () => {
    const folder = await copy('tokenizer')
    await writeFile(join(folder, 'tokenizer_2/tokenizer.json'), '{"model":{"type":"Unigram"}}')
    await expect(openCheckpoint(folder)).rejects.toThrow(/tokenizer_2: not a tokenizer/)
  })

  it('say what a folder lacks', async () => {
    await expect(openTokenizer(join(whole, 'vae'), 77, 'CLIP')).rejects.toThrow(/no tokenizer\.json.*in .*vae/)
  })
})
