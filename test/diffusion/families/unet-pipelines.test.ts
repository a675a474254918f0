/** Stable Diffusion and SDXL from whole folders to pictures, through the nodes that ComfyUI's example workflows have, with DeepCache. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import type { Conditioning } from '../../../diffusion/families/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { schedules } from '../../../diffusion/registry.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { RunContext } from '../../../nodes/define.ts'
import type { Latent } from '../../../nodes/ports.ts'
import { ModelStore } from '../../../server/engine/models.ts'
import { loadRegistry } from '../../../server/engine/registry.ts'
import { context } from '../../nodes/context.ts'
import { inputsOf } from '../../nodes/caching/subject.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'
import { withReplacedFeatures } from './unet-oracle.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const WEIGHTS = 'diffusion_pytorch_model.safetensors'
const STEPS = 6

let root: string
let store: ModelStore
let nodes: Awaited<ReturnType<typeof loadRegistry>>['nodes']
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pipelines-'))
  store = new ModelStore([root], () => true)
  ;({ nodes } = await loadRegistry())
})
afterAll(async () => {
  await store.release()
  await rm(root, { recursive: true })
})

/** Puts a folder together around the U-Net of a case; weights that `resized` names by their ends get other widths, to suit the text encoders. */
async function pipeline(
  name: string,
  unet: { from: string; config: object; resized: Readonly<Record<string, number>> },
) {
  const folder = join(root, name)
  await mkdir(folder)
  await writeTinyCheckpoint(folder)
  for (const part of ['transformer', 'text_encoder_2', 'tokenizer_2']) await rm(join(folder, part), { recursive: true })
  await writeFile(join(folder, 'model_index.json'), JSON.stringify({ _class_name: name }))
  const to = join(folder, 'unet')
  await cp(join(fixtures, unet.from), to, { recursive: true })
  const config = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object
  await writeFile(join(to, 'config.json'), JSON.stringify({ ...config, ...unet.config }))
  const tensors = Object.entries(await readTensors(join(to, WEIGHTS))).map(([key, { shape, data }], i) => {
    const wide = Object.entries(unet.resized).find(([end]) => key.endsWith(end))?.[1]
    const other = wide === undefined ? null : normalNoise(BigInt(i), [shape[0]!, wide])
    return [key, other ? { shape: other.shape, data: [...other.data].map((v) => v / 6) } : { shape, data: [...data] }]
  })
  await writeFile(
    join(to, WEIGHTS),
    encodeSafetensors(Object.fromEntries(tensors) as Parameters<typeof encodeSafetensors>[0]),
  )
  const scheduler = {
    _class_name: 'PNDMScheduler',
    beta_schedule: 'scaled_linear',
    beta_start: 0.00085,
    beta_end: 0.012,
  }
  await writeFile(join(folder, 'scheduler/scheduler_config.json'), JSON.stringify(scheduler))
  return folder
}

/** Runs one node with its defaults and these inputs. */
async function node<T>(type: string, values: Readonly<Record<string, unknown>>): Promise<T> {
  const found = nodes.get(type)
  if (!found) throw new Error(`no node ${type}`)
  const running: RunContext = { ...context(root), models: store }
  return await found.definition.run(inputsOf(found, values), running)
}

interface Loaded {
  readonly MODEL: Awaited<ReturnType<ModelStore['diffusionModel']>>
  readonly CLIP: unknown
  readonly VAE: unknown
}
const load = async (name: string): Promise<Loaded> => {
  const { model, clip, vae } = await store.checkpoint(name, context(root).report)
  return { MODEL: model, CLIP: clip, VAE: vae }
}

interface Prompted {
  readonly CONDITIONING: readonly Conditioning[]
}
interface Sampled {
  readonly LATENT: Latent
  readonly report: { readonly computedBlocks: number; readonly totalBlocks: number }
}

/** From prompts to a picture, as the nodes of the default workflow are wired. */
async function draw(loaded: Loaded, positive: Prompted, negative: Prompted, cache: unknown) {
  const blank = await node<{ LATENT: Latent }>('EmptyLatentImage', { width: 64, height: 80 })
  const sampled = await node<Sampled>('KSampler', {
    ...{ model: loaded.MODEL, seed: 5, steps: STEPS, cfg: 3, scheduler: 'normal', cache },
    ...{ positive: positive.CONDITIONING, negative: negative.CONDITIONING, latent_image: blank.LATENT },
  })
  const { IMAGE } = await node<{ IMAGE: Tensor }>('VAEDecode', { samples: sampled.LATENT, vae: loaded.VAE })
  return { ...sampled, IMAGE }
}

async function expectExact(loaded: Loaded, positive: Prompted, negative: Prompted): Promise<void> {
  const { CACHE } = await node<{ CACHE: unknown }>('DeepCache', { interval: 2, branch: 1, force_last: false })
  const { LATENT, report, IMAGE } = await draw(loaded, positive, negative, CACHE)
  const { MODEL: model } = loaded
  const retold = await withReplacedFeatures({
    ...{ model, guidance: 3, branch: 1, isFull: (step) => step % 2 === 0 },
    ...{ positive: positive.CONDITIONING[0]!, negative: negative.CONDITIONING[0]! },
    noise: normalNoise(5n, [1, 4, 10, 8]),
    sigmas: runSigmas(schedules.get('normal')!, STEPS, 1, model.parametrisation),
  })
  const largest = retold.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(maxAbsDifference(LATENT.samples, retold)).toBeLessThan(1e-5 * Math.max(10, largest))
  // Three full evaluations of eight units, three of one unit down and two up; two branches of guidance.
  expect(report).toMatchObject({ computedBlocks: 2 * (3 * 8 + 3 * 3), totalBlocks: 2 * STEPS * 8 })
  expect(IMAGE.shape).toEqual([1, 40, 32, 3])
  expect(IMAGE.data.every((value) => value >= 0 && value <= 1)).toBe(true)
}

describe('a StableDiffusionPipeline folder', () => {
  it('draws what it is told, and DeepCache is exact through KSampler', async () => {
    await pipeline('StableDiffusionPipeline', {
      from: 'unet-sd15-a',
      config: { cross_attention_dim: 32 },
      resized: { 'attn2.to_k.weight': 32, 'attn2.to_v.weight': 32 },
    })
    const loaded = await load('StableDiffusionPipeline')
    expect(loaded.MODEL).toMatchObject({ family: 'unet', parametrisation: { kind: 'epsilon', trainSteps: 1000 } })
    const prompt = (text: string) => node<Prompted>('CLIPTextEncode', { text, clip: loaded.CLIP })
    const [positive, negative] = [await prompt('ab c'), await prompt('')]
    expect(positive.CONDITIONING[0]).toMatchObject({ tokens: { shape: [1, 16, 32] }, pooled: null })
    await expectExact(loaded, positive, negative)
    const [one, other] = [
      await draw(loaded, positive, negative, undefined),
      await draw(loaded, await prompt('d'), negative, undefined),
    ]
    expect(maxAbsDifference(one.IMAGE, other.IMAGE)).toBeGreaterThan(1e-3)
  })
})

describe('a StableDiffusionXLPipeline folder', () => {
  it('takes a text for each encoder and the sizes of the picture', async () => {
    const folder = await pipeline('StableDiffusionXLPipeline', {
      from: 'unet-sdxl-a',
      config: { cross_attention_dim: 72, projection_class_embeddings_input_dim: 72 },
      resized: { 'attn2.to_k.weight': 72, 'attn2.to_v.weight': 72, 'add_embedding.linear_1.weight': 72 },
    })
    await cp(join(fixtures, 'clip-g-a'), join(folder, 'text_encoder_2'), { recursive: true })
    await cp(join(folder, 'tokenizer'), join(folder, 'tokenizer_2'), { recursive: true })
    const loaded = await load('StableDiffusionXLPipeline')
    const encode = (g: string, l: string, more = {}) =>
      node<Prompted>('CLIPTextEncodeSDXL', {
        clip: loaded.CLIP,
        text_g: g,
        text_l: l,
        width: 64,
        height: 80,
        target_width: 64,
        target_height: 80,
        ...more,
      })
    const [both, other] = [await encode('ab', 'ab'), await encode('ab', 'cd')]
    const [one] = both.CONDITIONING
    expect(one).toMatchObject({
      tokens: { shape: [1, 16, 72] },
      pooled: { shape: [1, 24] },
      extras: { width: 64, crop_h: 0 },
    })
    const plain = await node<Prompted>('CLIPTextEncode', { text: 'ab', clip: loaded.CLIP })
    expect([plain.CONDITIONING[0]!.tokens, plain.CONDITIONING[0]!.pooled]).toEqual([one!.tokens, one!.pooled])
    // Another text for the smaller encoder changes the first 32 values of every token, and nothing else.
    const changed = (column: number) =>
      one!.tokens.data.some((v, i) => i % 72 === column && v !== other.CONDITIONING[0]!.tokens.data[i])
    expect([changed(0), changed(31), changed(32), changed(71)]).toEqual([true, true, false, false])
    expect(other.CONDITIONING[0]!.pooled).toEqual(one!.pooled)
    const negative = await encode('', '')
    await expectExact(loaded, both, negative)
    const draws = [both, plain, await encode('ab', 'ab', { crop_w: 48 })].map(async (positive) =>
      draw(loaded, positive, negative, undefined),
    )
    const [told, untold, cropped] = (await Promise.all(draws)).map(({ IMAGE }) => IMAGE)
    expect(untold).toEqual(told)
    expect(maxAbsDifference(cropped!, told!)).toBeGreaterThan(1e-4)
  })
})
