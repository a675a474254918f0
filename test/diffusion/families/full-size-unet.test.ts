/** Stable Diffusion 1.5 and XL at their published widths with few layers: recognised by shapes alone, sampled with DeepCache inside a bound of memory. */
import { mkdtemp, open, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import type { Conditioning } from '../../../diffusion/families/contract.ts'
import type { Json } from '../../../diffusion/families/family.ts'
import { parseUnetConfig, type UnetConfig } from '../../../diffusion/families/unet/config.ts'
import unet from '../../../diffusion/families/unet/family.ts'
import { inferUnetConfig } from '../../../diffusion/families/unet/infer.ts'
import { unetPlace, unetShapes } from '../../../diffusion/families/unet/keys.ts'
import { chainOf } from '../../../diffusion/families/unet/units.ts'
import { openAutoencoder } from '../../../diffusion/families/vae/open.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import type { StoredTensor, Weights } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import { sizeOf, zeros } from '../../../diffusion/tensor.ts'
import { deepcache } from '../../../nodes/caching/deepcache.ts'

/** Published configurations, but for the numbers of layers: 2, and in XL's stacks 0, 2 and 10 transformer blocks. */
const PUBLISHED: Readonly<Record<string, Json>> = {
  'Stable Diffusion 1.5': {
    block_out_channels: [320, 640, 1280, 1280],
    down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
    ...{ attention_head_dim: 8, cross_attention_dim: 768, layers_per_block: 1 },
  },
  'Stable Diffusion XL': {
    block_out_channels: [320, 640, 1280],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    ...{ attention_head_dim: [5, 10, 20], cross_attention_dim: 2048, layers_per_block: 1, use_linear_projection: true },
    ...{ transformer_layers_per_block: [1, 1, 2], addition_embed_type: 'text_time', addition_time_embed_dim: 256 },
    projection_class_embeddings_input_dim: 2816,
  },
}
const PREFIX = 'model.diffusion_model.'
/** Bytes of the largest weight as float16, which all of them share: the first convolution on the way up. */
const BYTES = 2 * 1280 * 2560 * 9

/** What a run adds to the mapped weights (here one stretch for all): casts of the largest to float32, activations, the runtime. */
const BOUND = BYTES + 512 * 2 ** 20

let file: string
beforeAll(async () => {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'full-size-')))
  file = join(dir, 'shared.safetensors')
  // float16 numbers of -1/64 to 1/64: a sign, exponents of 2^-15 to 2^-7, any fraction; a stretch of them over and over.
  const noise = normalNoise(1n, [1 << 18]).data
  const stretch = Uint16Array.from(
    noise,
    (x) => (x < 0 ? 0x8000 : 0) | Math.min(0x23ff, Math.floor(Math.abs(x) * 0x1000)),
  )
  const handle = await open(file, 'w')
  for (let left = BYTES; left > 0; left -= stretch.byteLength)
    await handle.write(new Uint8Array(stretch.buffer, 0, Math.min(left, stretch.byteLength)))
  await handle.close()
})
afterAll(() => rm(join(file, '..'), { recursive: true }))

/** Tensors as an all-in-one file has them; the data of each begins where that of the others does. */
function originalTensors(config: UnetConfig): Weights {
  const chain = chainOf(config)
  const place = unetPlace('original', chain)
  const tensors = [...unetShapes(config, chain)].map(([name, shape]): [string, StoredTensor] => {
    const key = PREFIX + place(name).key
    return [key, { name: key, file, dtype: 'F16', shape, offset: 0, length: 2 * sizeOf(shape) }]
  })
  return { where: file, tensors: new Map(tensors) }
}

const unprefixed = ({ tensors }: Weights): Weights['tensors'] =>
  new Map([...tensors].map(([key, stored]) => [key.slice(PREFIX.length), stored]))

describe.each(Object.entries(PUBLISHED))('%s', (name, json) => {
  const config = parseUnetConfig(json, name)
  const prompt = (seed: bigint): Conditioning => ({
    tokens: normalNoise(seed, [1, 77, config.textWidth]),
    pooled: config.sizes ? normalNoise(seed + 9n, [1, 1280]) : null,
    extras: {},
  })

  it('is recognised by its shapes, heads included', () => {
    const weights = originalTensors(config)
    expect(Math.max(...[...weights.tensors.values()].map(({ length }) => length))).toBe(BYTES)
    expect(inferUnetConfig(unprefixed(weights), 'original')).toEqual(config)
    expect(unet.fits(weights, null).map(({ share }) => share === 1)).toEqual([false, true])
  })

  it('two steps, the second with the deep feature of the first', { timeout: 120_000 }, async () => {
    const weights = originalTensors(config)
    const { transformer, parametrisation, latentChannels } = unet.fits(weights, null)[1]!.open()
    const before = process.memoryUsage.rss()
    let peak = before
    const noise = normalNoise(2n, [1, latentChannels, 16, 8])
    const knobs = {
      preset: 'custom',
      enabled: true,
      interval: 2,
      schedule: 'uniform',
      center: 0.3,
      power: 1.4,
    } as const
    const more = { front: 1, back: 1, warm_up: 0, force_last: false, start: 0, end: 1, branch: 1 }
    const { samples, report } = await sample({
      model: {
        ...{ family: 'unet', name, transformer, parametrisation },
        latent: { channels: 4, factor: 8, rgb: null },
      },
      ...{ noise, sampler: samplers.get('euler')!, cache: configure(deepcache, { ...knobs, ...more }), guidance: 1 },
      ...{ positive: [prompt(3n)], negative: [], latent: zeros(noise.shape) },
      sigmas: runSigmas(schedules.get('normal')!, 2, 1, parametrisation),
      signal: new AbortController().signal,
      onStep: () => {
        peak = Math.max(peak, process.memoryUsage.rss())
      },
    })
    await transformer.release()
    expect(samples.shape).toEqual(noise.shape)
    expect(samples.data.every(Number.isFinite)).toBe(true)
    const { depth } = transformer.facts
    expect(report.rows.map(({ decision, blocks }) => [decision, blocks])).toEqual([
      ['full', depth],
      ['partial', 3],
    ])
    const inUse = [...weights.tensors.values()].reduce((sum, { length }) => sum + length, 0)
    expect(inUse).toBeGreaterThan(1e9)
    expect(peak - before).toBeLessThan(BOUND)
    const vae = await openAutoencoder(join(import.meta.dirname, '../../fixtures/parity/vae-kl-a'))
    expect((await vae.decode(samples)).shape).toEqual([1, 64, 32, 3])
    await vae.release()
  })
})
