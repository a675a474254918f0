/** WAN from a prompt to an animated picture, by the command line: text-to-video with DiCache, and ComfyUI's image-to-video workflow. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readTexts } from '../../../formats/metadata/read.ts'
import { heddle } from '../../server/harness.ts'
import { writeWanParts, writeWanPipeline } from './wan-models.ts'

type Prompt = Readonly<
  Record<string, { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> }>
>

const node = (class_type: string, inputs: Readonly<Record<string, unknown>>) => ({ class_type, inputs })
const sampler = (inputs: Readonly<Record<string, unknown>>) =>
  node('KSampler', { seed: 7, cfg: 6, sampler_name: 'uni_pc', scheduler: 'simple', denoise: 1, ...inputs })
const save = (images: readonly [string, number]) =>
  node('SaveAnimatedWEBP', { images, filename_prefix: 'wan', fps: 16, lossless: true, quality: 90, method: 'default' })

const TEXT_TO_VIDEO: Prompt = {
  1: node('CheckpointLoaderSimple', { ckpt_name: 'tiny-wan' }),
  2: node('CLIPTextEncode', { clip: ['1', 1], text: 'red house' }),
  3: node('CLIPTextEncode', { clip: ['1', 1], text: 'a b' }),
  4: node('EmptyHunyuanLatentVideo', { width: 64, height: 48, length: 9, batch_size: 1 }),
  5: node('DiCache', {
    ...{ preset: 'custom', enabled: true, threshold: 5, warm_up: 0, probe_depth: 1, history: 2, drift: 'probe' },
    ...{ decide: 'per branch', force_last: false, max_gain: 1.5, start: 0, end: 1 },
  }),
  6: sampler({
    steps: 4,
    model: ['1', 0],
    positive: ['2', 0],
    negative: ['3', 0],
    latent_image: ['4', 0],
    cache: ['5', 0],
  }),
  7: node('VAEDecode', { samples: ['6', 0], vae: ['1', 2] }),
  8: save(['7', 0]),
}

const IMAGE_TO_VIDEO: Prompt = {
  37: node('UNETLoader', { unet_name: 'wan/diffusion_pytorch_model.safetensors', weight_dtype: 'default' }),
  38: node('CLIPLoader', { clip_name: 'umt5/model.safetensors', type: 'wan', device: 'default' }),
  39: node('VAELoader', { vae_name: 'wan/diffusion_pytorch_model.safetensors' }),
  49: node('CLIPVisionLoader', { clip_name: 'eye/model.safetensors' }),
  52: node('LoadImage', { image: 'start.png' }),
  51: node('CLIPVisionEncode', { clip_vision: ['49', 0], image: ['52', 0], crop: 'none' }),
  6: node('CLIPTextEncode', { clip: ['38', 0], text: 'red house' }),
  7: node('CLIPTextEncode', { clip: ['38', 0], text: 'a b' }),
  50: node('WanImageToVideo', {
    ...{
      positive: ['6', 0],
      negative: ['7', 0],
      vae: ['39', 0],
      clip_vision_output: ['51', 0],
      start_image: ['52', 0],
    },
    ...{ width: 32, height: 16, length: 5, batch_size: 1 },
  }),
  54: node('ModelSamplingSD3', { model: ['37', 0], shift: 8 }),
  3: sampler({ steps: 2, model: ['54', 0], positive: ['50', 0], negative: ['50', 1], latent_image: ['50', 2] }),
  8: node('VAEDecode', { samples: ['3', 0], vae: ['39', 0] }),
  28: save(['8', 0]),
}

interface Document {
  readonly status: string
  readonly outputs: readonly { readonly file: string }[]
  readonly reports: readonly {
    readonly method: string | null
    readonly computed_blocks: number
    readonly total_blocks: number
  }[]
  readonly errors: readonly unknown[]
}

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'wan-run-'))
  await writeWanPipeline(join(base, 'models'))
  await writeWanParts(join(base, 'models'))
  await mkdir(join(base, 'data/input'), { recursive: true })
  const noise = Buffer.from(Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 37) % 256))
  await sharp(noise, { raw: { width: 40, height: 30, channels: 3 } })
    .png()
    .toFile(join(base, 'data/input/start.png'))
})
afterAll(() => rm(base, { recursive: true }))

async function run(
  name: string,
  prompt: Prompt,
): Promise<{ document: Document; frames: Buffer; bytes: Buffer; pages: number | undefined; size: unknown }> {
  const file = join(base, `${name}.json`)
  await writeFile(file, JSON.stringify(prompt))
  const { stdout } = await heddle([
    'run',
    file,
    '--data',
    join(base, 'data'),
    '--models',
    join(base, 'models'),
    '--json',
  ])
  const document = JSON.parse(stdout) as Document
  expect(document).toMatchObject({ status: 'success', errors: [] })
  const bytes = await readFile(document.outputs[0]!.file)
  const { data, info } = await sharp(bytes, { animated: true })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { document, bytes, frames: data, pages: info.pages, size: [info.width, info.pageHeight] }
}

/** Bytes of frame `index` of so many. */
const frameOf = (frames: Buffer, index: number, count: number): Buffer =>
  frames.subarray((index * frames.length) / count, ((index + 1) * frames.length) / count)

describe('heddle run', () => {
  it('text to video with DiCache', async () => {
    const { document, bytes, frames, pages, size } = await run('t2v', TEXT_TO_VIDEO)
    // Three latent frames of 6 x 8 cells; this autoencoder doubles frames and has cells of 4 x 4 pixels.
    expect([pages, size]).toEqual([5, [32, 24]])
    expect(frameOf(frames, 0, 5).equals(frameOf(frames, 4, 5))).toBe(false)
    const [report] = document.reports
    expect(report).toMatchObject({ method: 'DiCache', total_blocks: 2 * 2 * 4 })
    expect(report?.computed_blocks).toBeLessThan(report?.total_blocks ?? 0)
    expect(JSON.parse((await readTexts(bytes)).get('prompt') ?? '')).toMatchObject({ 5: { class_type: 'DiCache' } })
  })

  it("image to video with ComfyUI's workflow, which heeds the picture and the prompt", async () => {
    const { frames, pages, size } = await run('i2v', IMAGE_TO_VIDEO)
    expect([pages, size]).toEqual([5, [32, 16]])
    const other = await run('i2v-other', {
      ...IMAGE_TO_VIDEO,
      6: node('CLIPTextEncode', { clip: ['38', 0], text: 'q' }),
    })
    expect(other.frames.equals(frames)).toBe(false)
  })
})
