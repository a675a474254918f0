/** HunyuanVideo at its published widths with few blocks: recognised by shapes alone and sampled inside a bound of memory. */
import { mkdtemp, open, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { HunyuanConfig } from '../../../diffusion/families/hunyuan-video/config.ts'
import hunyuanVideo from '../../../diffusion/families/hunyuan-video/family.ts'
import { hunyuanPlace, hunyuanShapes } from '../../../diffusion/families/hunyuan-video/keys.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import type { StoredTensor, Weights } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import { sizeOf, zeros } from '../../../diffusion/tensor.ts'

/** Of the published model, but for the numbers of blocks: 20, 40 and 2. */
const PUBLISHED: HunyuanConfig = {
  ...{ channels: 16, outChannels: 16, patch: [1, 2, 2], heads: 24, headSize: 128, width: 3072, inner: 12288 },
  ...{ doubleBlocks: 1, singleBlocks: 1, refinerBlocks: 1, textWidth: 4096, pooledWidth: 768, guidance: true },
  axes: { sizes: [16, 56, 56], theta: 256 },
}
/** The largest tensor of the file, and the bytes that all share: 640 million weights would be a file of 2.6 GB. */
const BYTES = 4 * 7 * 3072 * 3072
/** Memory that the run may add, as a share of the weights in use: those stay mapped and are counted once; what is added is little. */
const BOUND = 1.15

let dir: string
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'full-size-')))
})
afterAll(() => rm(dir, { recursive: true }))

/** Tensors as Tencent's file has them, where parts of one are stacked; the data of each begins where that of the others does. */
function originalTensors(file: string): Weights {
  const tensors = new Map<string, StoredTensor>()
  for (const [name, shape] of hunyuanShapes(PUBLISHED)) {
    const { key, row } = hunyuanPlace('original', name, PUBLISHED)
    const rows = Math.max(row + (shape[0] ?? 0), tensors.get(key)?.shape[0] ?? 0)
    const whole = [rows, ...shape.slice(1)]
    tensors.set(key, { name: key, file, dtype: 'F32', shape: whole, offset: 0, length: 4 * sizeOf(whole) })
  }
  return { where: file, tensors }
}

/** Normal numbers times 1 / sqrt(width), a stretch of them over and over. */
async function writeNumbers(path: string): Promise<void> {
  const stretch = Buffer.from(normalNoise(1n, [1 << 18]).data.map((x) => x / Math.sqrt(PUBLISHED.width)).buffer)
  const file = await open(path, 'w')
  for (let left = BYTES; left > 0; left -= stretch.length)
    await file.write(stretch.subarray(0, Math.min(left, stretch.length)))
  await file.close()
}

it('two steps at the published widths', { timeout: 120_000 }, async () => {
  const path = join(dir, 'hunyuan.safetensors')
  await writeNumbers(path)
  const weights = originalTensors(path)
  const largest = [...weights.tensors.values()].reduce((most, { length }) => Math.max(most, length), 0)
  expect(largest).toBeLessThanOrEqual(BYTES)
  const fits = hunyuanVideo.fits(weights, null)
  expect(fits.map(({ label, share }) => [label, share === 1])).toEqual([
    ['hunyuan-video (diffusers keys)', false],
    ['hunyuan-video (original keys)', true],
    ['hunyuan-video (comfyui keys)', false],
  ])
  const { transformer, parametrisation, latentChannels } = fits[1]!.open()
  expect(transformer.facts.depth).toBe(2)
  const before = process.memoryUsage.rss()
  const noise = normalNoise(2n, [1, latentChannels, 2, 8, 12])
  const prompt = { tokens: normalNoise(3n, [1, 9, 4096]), pooled: normalNoise(4n, [1, 768]), extras: {} }
  const model = { family: 'hunyuan-video', name: 'full size', transformer, parametrisation }
  let peak = 0
  const { samples } = await sample({
    model: { ...model, latent: { channels: latentChannels, factor: 8, temporalFactor: 4, rgb: null } },
    ...{ noise, sampler: samplers.get('euler')!, cache: null, guidance: 1, latent: zeros(noise.shape) },
    ...{ positive: [prompt], negative: [] },
    sigmas: runSigmas(schedules.get('simple')!, 2, 1, parametrisation),
    signal: new AbortController().signal,
    onStep: () => {
      peak = Math.max(peak, process.memoryUsage.rss())
    },
  })
  await transformer.release()
  expect(samples.shape).toEqual(noise.shape)
  expect(samples.data.every(Number.isFinite)).toBe(true)
  const inUse = [...weights.tensors.values()].reduce((sum, { length }) => sum + length, 0)
  expect(inUse).toBeGreaterThan(2.5e9)
  expect(peak - before).toBeLessThan(BOUND * inUse)
  expect(peak).toBeGreaterThan(0)
})
