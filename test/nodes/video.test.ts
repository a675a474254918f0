/** Video nodes: files that carry their workflow, blank latents, image-to-video, and what happens without ffmpeg. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Autoencoder, Conditioning } from '../../diffusion/families/contract.ts'
import { ClipVisionEncoder, prepared } from '../../diffusion/families/vision/encoder.ts'
import { parseClipVisionConfig } from '../../diffusion/families/vision/clip.ts'
import { openWeights } from '../../diffusion/onnx/weights.ts'
import { tensor, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { readTexts } from '../../formats/metadata/read.ts'
import emptyLatent from '../../nodes/latent/empty-hunyuan-latent-video.ts'
import saveVideo from '../../nodes/video/save-video.ts'
import saveWebm from '../../nodes/video/save-webm.ts'
import saveWebp from '../../nodes/video/save-animated-webp.ts'
import wanImageToVideo from '../../nodes/video/wan-image-to-video.ts'
import { fixtures } from '../diffusion/families/rekeyed.ts'
import { parseExact } from '../../server/json.ts'
import { lacking } from '../skip.ts'
import { context } from './context.ts'

/** Frames of 20 x 16 pixels, each darker than the one before. */
const film = (count: number): Tensor =>
  tensor(
    Float32Array.from({ length: count * 16 * 20 * 3 }, (_, i) => ((i % 251) / 255) * (1 - Math.floor(i / 960) / count)),
    [count, 16, 20, 3],
  )
const PROMPT = { '3': { class_type: 'KSampler', inputs: { seed: 18446744073709551615n, text: 'ж 🚢' } } }
const ORIGIN = { prompt: PROMPT, extra_pnginfo: { workflow: { nodes: [] }, note: 'x' } }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'video-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('SaveAnimatedWEBP', () => {
  const save = async (images: Tensor, more: object = {}, run: object = {}): Promise<Buffer> => {
    const own = await mkdtemp(join(folder, 'webp-'))
    const values = {
      images,
      filename_prefix: 'x',
      fps: 8,
      lossless: true,
      quality: 80,
      method: 'fastest' as const,
      ...ORIGIN,
    }
    const given = await saveWebp.run({ ...values, ...more }, { ...context(own), ...run })
    expect(given).toMatchObject({ ui: { images: [{ filename: 'x_0.webp' }], animated: [images.shape[0] !== 1] } })
    return readFile(join(own, 'output/x_0.webp'))
  }

  it('keeps every frame, the rate, and the workflow where ComfyUI looks for it', async () => {
    const images = film(4)
    const bytes = await save(images)
    const { data, info } = await sharp(bytes, { animated: true })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect([info.pages, info.pageHeight, info.width]).toEqual([4, 16, 20])
    expect([...data]).toEqual(Array.from(images.data, (x) => Math.trunc(Math.fround(255 * x))))
    const { delay, loop, exif } = await sharp(bytes).metadata()
    expect([delay, loop]).toEqual([[125, 125, 125, 125], 0])
    const texts = Object.fromEntries(await readTexts(bytes))
    expect(texts['prompt']).toContain('"seed":18446744073709551615')
    expect(JSON.parse(texts['prompt'] ?? '')).toMatchObject({ '3': { inputs: { text: 'ж 🚢' } } })
    expect([texts['workflow'], texts['note']]).toEqual(['{"nodes":[]}', '"x"'])
    // Model holds the prompt, Make the workflow: as the file's other readers see it.
    const block = exif ?? Buffer.alloc(0)
    expect(block.readUInt16LE(block.indexOf('II') + 10 + 24)).toBe(0x0110)
    expect(block.toString('latin1')).toContain('workflow:{"nodes":[]}')
  })

  it('writes one frame, lossy frames, and nothing of its origin when told', async () => {
    const single = await save(film(1))
    expect((await readTexts(single)).get('workflow')).toBe('{"nodes":[]}')
    expect((await sharp(single).metadata()).width).toBe(20)
    const lossy = await save(film(3), { lossless: false, quality: 10 })
    expect(lossy.length).toBeLessThan((await save(film(3))).length)
    expect((await readTexts(await save(film(2), {}, { metadata: false }))).size).toBe(0)
  })

  it('refuses what are no frames', async () => {
    await expect(save(zeros([2, 4, 4]))).rejects.toThrow(/expected frames \[F, H, W, 3\], received \[2, 4, 4\]/)
  })
})

describe('files by ffmpeg', () => {
  const images = film(5)
  const video = { frames: images, rate: 12 }
  const mp4 = { video, filename_prefix: 'v', format: 'auto' as const, codec: 'auto' as const, ...ORIGIN }
  const webm = { images, filename_prefix: 'v', codec: 'vp9' as const, fps: 12, crf: 32, ...ORIGIN }
  const path = process.env['PATH']

  it('say what to install where it is missing', async () => {
    process.env['PATH'] = folder
    try {
      for (const run of [() => saveVideo.run(mp4, context(folder)), () => saveWebm.run(webm, context(folder))])
        await expect(run()).rejects.toThrow(/ffmpeg is not installed.*apt install ffmpeg.*SaveAnimatedWEBP/)
    } finally {
      process.env['PATH'] = path
    }
  })

  it('pass on what ffmpeg says when it fails', async () => {
    const fake = join(folder, 'ffmpeg')
    await writeFile(fake, '#!/bin/sh\necho "Unknown encoder" >&2\nexit 3\n', { mode: 0o755 })
    process.env['PATH'] = `${folder}:${path ?? ''}`
    try {
      await expect(saveVideo.run(mp4, context(folder))).rejects.toThrow(/ffmpeg ended with 3: Unknown encoder/)
    } finally {
      process.env['PATH'] = path
      await rm(fake)
    }
  })

  const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0
  const untested = lacking(hasFfmpeg, 'video files by ffmpeg', 'Install ffmpeg (Debian: apt install ffmpeg).')
  it.skipIf(untested)('hold the frames and the workflow, which is read back', async () => {
    for (const [given, extension] of [
      [await saveVideo.run(mp4, context(folder)), 'mp4'],
      [await saveWebm.run(webm, context(folder)), 'webm'],
    ] as const) {
      expect(given).toMatchObject({ ui: { images: [{ filename: `v_0.${extension}` }], animated: [true] } })
      const file = join(folder, `output/v_0.${extension}`)
      const decoded = spawnSync('ffmpeg', ['-i', file, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], { maxBuffer: 1e8 })
      expect(decoded.stdout.length).toBe(images.data.length)
      const texts = await readTexts(await readFile(file))
      expect(texts.get('workflow')).toBe('{"nodes":[]}')
      expect(parseExact(texts.get('prompt') ?? '')).toEqual(PROMPT)
    }
  })
})

describe('EmptyHunyuanLatentVideo', () => {
  it('has a latent frame for the first frame and one for every four more', () => {
    const shape = (length: number) => {
      const { LATENT } = emptyLatent.run({ width: 848, height: 480, length, batch_size: 2 }, context(folder)) as {
        LATENT: { samples: Tensor }
      }
      return LATENT.samples.shape
    }
    expect([1, 4, 5, 25].map(shape)).toEqual([1, 1, 2, 7].map((frames) => [2, 16, frames, 60, 106]))
  })
})

describe('WanImageToVideo', () => {
  /** Remembers what it encodes. */
  const seen: Tensor[] = []
  const vae: Autoencoder = {
    ...{ factor: 8, temporalFactor: 4, channels: 16 },
    decode: () => Promise.reject(new Error('not asked for')),
    encode(pixels) {
      seen.push(pixels)
      return Promise.resolve(
        zeros([1, 16, 1 + Math.floor((pixels.shape[0]! - 1) / 4), pixels.shape[1]! / 8, pixels.shape[2]! / 8]),
      )
    },
  }
  const prompt: Conditioning = { tokens: zeros([1, 1, 2]), pooled: null, extras: { guidance: 2 } }
  const size = { positive: [prompt], negative: [prompt], vae, width: 32, height: 16, length: 9, batch_size: 2 }
  type Given = { positive: readonly Conditioning[]; negative: readonly Conditioning[]; latent: { samples: Tensor } }

  it('lays the first frames and a mask beside the latent, cut to shape, grey after them', async () => {
    const start = tensor(new Float32Array(5 * 16 * 16 * 3).fill(0.25), [5, 16, 16, 3])
    const vision = {
      last: zeros([1, 3, 4]),
      penultimate: tensor(new Float32Array(12).fill(2), [1, 3, 4]),
      embeds: zeros([1, 4]),
    }
    const values = { ...size, start_image: start, clip_vision_output: vision }
    const { positive, negative, latent } = (await wanImageToVideo.run(values, context(folder))) as Given
    expect(latent.samples.shape).toEqual([2, 16, 3, 2, 4])
    expect(seen[0]?.shape).toEqual([9, 16, 32, 3])
    const frame = 16 * 32 * 3
    expect([0, 5 * frame - 1, 5 * frame, 9 * frame - 1].map((i) => seen[0]?.data[i])).toEqual([0.25, 0.25, 0.5, 0.5])
    for (const [one] of [positive, negative]) {
      expect(one?.extras).toEqual({ guidance: 2 })
      expect(one?.tensors?.['concat_latent_image']?.shape).toEqual([1, 16, 3, 2, 4])
      expect(one?.tensors?.['clip_vision_output']).toBe(vision.penultimate)
      const mask = one?.tensors?.['concat_mask']
      expect(mask?.shape).toEqual([1, 1, 3, 2, 4])
      // Five frames are two latent frames.
      expect([...(mask?.data ?? [])]).toEqual([...new Array<number>(16).fill(0), ...new Array<number>(8).fill(1)])
    }
  })

  it('is text-to-video without a frame, and wants an autoencoder of video', async () => {
    const values = { ...size, start_image: undefined, clip_vision_output: undefined }
    const { positive } = (await wanImageToVideo.run(values, context(folder))) as Given
    expect(positive[0]?.tensors).toEqual({})
    const { temporalFactor: _, ...still } = vae
    const wrong = { ...values, vae: still, start_image: film(1) }
    await expect(wanImageToVideo.run(wrong, context(folder))).rejects.toThrow(/vae: expected WAN's video autoencoder/)
  })
})

describe('CLIP vision', () => {
  it('sees any size of picture, cut or squeezed, in the units it was trained on', async () => {
    const half = tensor(new Float32Array(2 * 10 * 20 * 3).fill(0.5), [2, 10, 20, 3])
    const grey = prepared(half, 4, 'center')
    expect(grey.shape).toEqual([2, 3, 4, 4])
    expect(grey.data[0]).toBeCloseTo((128 / 255 - 0.48145466) / 0.26862954, 5)
    const sides = tensor(
      Float32Array.from({ length: 10 * 20 * 3 }, (_, i) => (Math.floor(i / 3) % 20 < 5 ? 1 : 0)),
      [1, 10, 20, 3],
    )
    expect(prepared(sides, 10, 'center').data[0]).toBeLessThan(0)
    expect(prepared(sides, 10, 'none').data[0]).toBeGreaterThan(0)
    const dir = join(fixtures, 'clip-vision-a')
    const json = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>
    const encoder = new ClipVisionEncoder(
      parseClipVisionConfig(json, 'test'),
      await openWeights(join(dir, 'model.safetensors')),
    )
    const { penultimate, embeds } = await encoder.encode(half, 'center')
    expect([penultimate.shape, embeds.shape]).toEqual([
      [2, 17, 32],
      [2, 32],
    ])
    await encoder.release()
  })
})
