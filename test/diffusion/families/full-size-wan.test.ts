/** WAN 2.1 T2V 1.3B in its published shapes, but two blocks deep: recognised by shapes alone, sampled and decoded inside a bound of memory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import { openLooseAutoencoder } from '../../../diffusion/families/loose.ts'
import type { WanConfig } from '../../../diffusion/families/wan/config.ts'
import { wanPlace, wanShapes } from '../../../diffusion/families/wan/keys.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import euler from '../../../diffusion/samplers/euler.ts'
import { sample } from '../../../diffusion/sampling.ts'
import simple from '../../../diffusion/schedules/simple.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import { writeSparse } from './sparse-file.ts'
import type { Shapes } from './synthetic.ts'

/** Of Wan2.1-T2V-1.3B, which has 30 blocks. */
const T2V: WanConfig = {
  ...{ inChannels: 16, channels: 16, patch: [1, 2, 2], heads: 12, headSize: 128, width: 1536, blocks: 2, inner: 8960 },
  ...{ timeFeatures: 256, textWidth: 4096, vision: null, seesPicture: false, crossNorm: true, epsilon: 1e-6 },
}

/** Of Wan2.1_VAE: channels at each resolution, and which halvings halve the frames. */
const [WIDTHS, HALVES_TIME, LATENT, LAYERS] = [[96, 192, 384, 384], [false, true, true], 16, 2] as const

/** The autoencoder's weights under the authors' keys, decoder first. */
function vaeShapes(): Shapes {
  const shapes = new Map<string, readonly number[]>()
  const put = (name: string, out: number, wide: number, kernel: readonly number[]): void => {
    shapes.set(`${name}.weight`, [out, wide, ...kernel]).set(`${name}.bias`, [out])
  }
  const cube = [3, 3, 3]
  const resnet = (name: string, wide: number, out: number): void => {
    shapes.set(`${name}.residual.0.gamma`, [wide, 1, 1, 1])
    put(`${name}.residual.2`, out, wide, cube)
    shapes.set(`${name}.residual.3.gamma`, [out, 1, 1, 1])
    put(`${name}.residual.6`, out, out, cube)
    if (wide !== out) put(`${name}.shortcut`, out, wide, [1, 1, 1])
  }
  const ends = (side: string, width: number, out: number, last: number): void => {
    for (const i of [0, 2]) resnet(`${side}.middle.${i}`, width, width)
    shapes.set(`${side}.middle.1.norm.gamma`, [width, 1, 1])
    put(`${side}.middle.1.to_qkv`, 3 * width, width, [1, 1])
    put(`${side}.middle.1.proj`, width, width, [1, 1])
    shapes.set(`${side}.head.0.gamma`, [last, 1, 1, 1])
    put(`${side}.head.2`, out, last, cube)
  }
  const deepest = WIDTHS.at(-1)!
  put('conv2', LATENT, LATENT, [1, 1, 1])
  put('decoder.conv1', deepest, LATENT, cube)
  ends('decoder', deepest, 3, WIDTHS[0])
  let index = 0
  let wide: number = deepest
  for (const [level, width] of [...WIDTHS].reverse().entries()) {
    for (let layer = 0; layer <= LAYERS; layer++, wide = width) resnet(`decoder.upsamples.${index++}`, wide, width)
    if (level === HALVES_TIME.length) break
    const up = `decoder.upsamples.${index++}`
    put(`${up}.resample.1`, width / 2, width, [3, 3])
    if ([...HALVES_TIME].reverse()[level]) put(`${up}.time_conv`, 2 * width, width, [3, 1, 1])
    wide = width / 2
  }
  put('conv1', 2 * LATENT, 2 * LATENT, [1, 1, 1])
  put('encoder.conv1', WIDTHS[0], 3, cube)
  ends('encoder', deepest, 2 * LATENT, deepest)
  index = 0
  wide = WIDTHS[0]
  for (const [level, width] of WIDTHS.entries()) {
    for (let layer = 0; layer < LAYERS; layer++, wide = width) resnet(`encoder.downsamples.${index++}`, wide, width)
    if (level === HALVES_TIME.length) break
    const down = `encoder.downsamples.${index++}`
    put(`${down}.resample.1`, width, width, [3, 3])
    if (HALVES_TIME[level]) put(`${down}.time_conv`, width, width, [3, 1, 1])
  }
  return shapes
}

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'wan-size-'))
  const renamed = [...wanShapes(T2V)].map(
    ([name, shape]) => [`model.diffusion_model.${wanPlace('original', name).key}`, shape] as const,
  )
  await writeSparse(join(base, 'wan.safetensors'), new Map(renamed))
  await writeSparse(join(base, 'vae.safetensors'), vaeShapes(), (name) => name.startsWith('encoder'))
})
afterAll(() => rm(base, { recursive: true }))

/**
 * Bytes that the run may add. The transformer's 119 million weights are 0.48 GB in float32 beside 0.24 GB in the file; the autoencoder's decoder, which opens
 * when the transformer is closed, has 73 million.
 */
const BOUND = 1e9

it('samples two steps and decodes five frames', async () => {
  const before = process.memoryUsage.rss()
  let peak = 0
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const model = await openDiffusionModel(join(base, 'wan.safetensors'))
  expect(model.transformer.facts).toMatchObject({ family: 'wan', depth: 2 })
  expect(model.latent).toMatchObject({ channels: 16, factor: 8, temporalFactor: 4 })
  const prompt = (seed: bigint) => [{ tokens: normalNoise(seed, [1, 512, 4096]), pooled: null, extras: {} }]
  const noise = normalNoise(1n, [1, 16, 2, 4, 4])
  const { samples, report } = await sample({
    ...{ model, noise, sampler: euler, cache: null, guidance: 5, latent: zeros(noise.shape), seed: 1n },
    ...{ positive: prompt(2n), negative: prompt(3n), signal: new AbortController().signal },
    sigmas: runSigmas(simple, 2, 1, model.parametrisation),
    onStep: look,
  })
  expect(report.rows).toHaveLength(4)
  await model.transformer.release()
  const vae = await openLooseAutoencoder(join(base, 'vae.safetensors'))
  const frames = await vae.decode(samples)
  look()
  await vae.release()
  expect(frames.shape).toEqual([5, 32, 32, 3])
  expect(samples.data.every(Number.isFinite) && frames.data.every(Number.isFinite)).toBe(true)
  expect(peak - before).toBeLessThan(BOUND)
}, 60_000)
