/** WAN's autoencoder: stretches of any length give the same, the authors' keys, and what it refuses. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import type { Json } from '../../../diffusion/families/family.ts'
import { openLooseAutoencoder } from '../../../diffusion/families/loose.ts'
import { parseWanVaeConfig } from '../../../diffusion/families/vae/wan-config.ts'
import { WanAutoencoder } from '../../../diffusion/families/vae/wan.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { fixtures, rekeyed, type Rewrites } from './rekeyed.ts'
import { encode } from './synthetic.ts'

const FOLDER = join(fixtures, 'vae-wan-a')
const WEIGHTS = join(FOLDER, 'diffusion_pytorch_model.safetensors')

/** Modules of the decoder in the order of the authors' list: two residual blocks a resolution, and what enlarges between them. */
const IN_ORDER = [
  '0.resnets.0',
  '0.resnets.1',
  '0.upsamplers.0',
  '1.resnets.0',
  '1.resnets.1',
  '1.upsamplers.0',
  '2.resnets.0',
  '2.resnets.1',
]

/** diffusers' names as the authors' files have them. */
const TO_ORIGINAL: Rewrites = [
  [/^quant_conv/, 'conv1'],
  [/^post_quant_conv/, 'conv2'],
  [/^(encoder|decoder)\.conv_in/, '$1.conv1'],
  [/^(encoder|decoder)\.norm_out/, '$1.head.0'],
  [/^(encoder|decoder)\.conv_out/, '$1.head.2'],
  [/mid_block\.resnets\.0/, 'middle.0'],
  [/mid_block\.attentions\.0/, 'middle.1'],
  [/mid_block\.resnets\.1/, 'middle.2'],
  ...IN_ORDER.map((module, i): readonly [RegExp, string] => [
    new RegExp(`up_blocks\\.${module.replaceAll('.', '\\.')}\\.`),
    `upsamples.${i}.`,
  ]),
  [/down_blocks/, 'downsamples'],
  [/\.norm1\./, '.residual.0.'],
  [/(\d)\.conv1\./, '$1.residual.2.'],
  [/\.norm2\./, '.residual.3.'],
  [/(\d)\.conv2\./, '$1.residual.6.'],
  [/conv_shortcut/, 'shortcut'],
]

const wave = (shape: readonly number[], f: (x: number) => number): Tensor => {
  const noise = normalNoise(3n, shape)
  return tensor(noise.data.map(f), shape)
}

let base: string
let config: Json
let vae: WanAutoencoder
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'wan-vae-'))
  config = JSON.parse(await readFile(join(FOLDER, 'config.json'), 'utf8')) as Json
  vae = new WanAutoencoder(parseWanVaeConfig(config, 'test'), await openWeights(WEIGHTS))
})
afterAll(async () => {
  await vae.release()
  await rm(base, { recursive: true })
})

describe('WanAutoencoder', () => {
  it('gives the same in stretches of one latent frame as in long ones, both ways', async () => {
    const short = new WanAutoencoder(parseWanVaeConfig(config, 'test'), await openWeights(WEIGHTS), 1)
    const latent = wave([2, 4, 5, 2, 3], (x) => x)
    const [whole, parts] = [await vae.decode(latent), await short.decode(latent)]
    // One latent frame after the first is two frames here.
    expect(whole.shape).toEqual([2 * 9, 8, 12, 3])
    expect(maxAbsDifference(whole, parts)).toBeLessThan(1e-5)
    const film = wave([9, 8, 12, 3], (x) => 1 / (1 + Math.exp(-x)))
    const encoded = await vae.encode(film)
    expect(encoded.shape).toEqual([1, 4, 5, 2, 3])
    expect(maxAbsDifference(encoded, await short.encode(film))).toBeLessThan(1e-5)
    await short.release()
  })

  it('sees no later frame, leaves over frames that fill no latent frame, and takes single latents', async () => {
    const film = wave([6, 8, 12, 3], (x) => 1 / (1 + Math.exp(-x)))
    const [six, five] = [
      await vae.encode(film),
      await vae.encode(tensor(film.data.slice(0, 5 * 8 * 12 * 3), [5, 8, 12, 3])),
    ]
    expect(six.shape).toEqual([1, 4, 3, 2, 3])
    expect(maxAbsDifference(six, five)).toBe(0)
    const later = { ...film, data: film.data.map((x, i) => (i < 3 * 8 * 12 * 3 ? x : 1 - x)) }
    const changed = await vae.encode(later)
    const frames = (latent: Tensor, count: number) =>
      Array.from({ length: 4 }, (_, c) => [...latent.data.subarray(c * 18, c * 18 + 6 * count)])
    expect(frames(changed, 2)).toEqual(frames(six, 2))
    expect(frames(changed, 3)).not.toEqual(frames(six, 3))
    expect((await vae.decode(wave([1, 4, 2, 3], (x) => x))).shape).toEqual([1, 8, 12, 3])
  })

  it('refuses what is not its own', async () => {
    expect([vae.factor, vae.temporalFactor, vae.channels]).toEqual([4, 2, 4])
    await expect(vae.decode(wave([1, 3, 2, 2, 2], (x) => x))).rejects.toThrow(/expected \[B, 4, F, h, w\]/)
    await expect(vae.encode(wave([1, 8, 6, 3], (x) => x))).rejects.toThrow(/multiples of 4/)
    expect(() => parseWanVaeConfig({ ...config, latents_std: [1, 1, 0], is_residual: true }, 'file')).toThrow(
      /^file: .*latents_std has 3 entries, expected z_dim 4; latents_std must not contain 0; is_residual/,
    )
  })
})

describe("the authors' keys", () => {
  it('give the same pictures, with sizes from the shapes where there is a configuration of the statistics', async () => {
    const original = await rekeyed('vae-wan-a', TO_ORIGINAL)
    expect(Object.keys(original)).toContain('decoder.upsamples.2.time_conv.weight')
    await writeFile(join(base, 'wan.safetensors'), encode(original))
    await expect(openLooseAutoencoder(join(base, 'wan.safetensors'))).rejects.toThrow(
      /4 channels needs its config.json/,
    )
    await cp(join(FOLDER, 'config.json'), join(base, 'config.json'))
    const opened = await openLooseAutoencoder(join(base, 'wan.safetensors'))
    const latent = wave([1, 4, 3, 2, 3], (x) => x)
    expect(maxAbsDifference(await opened.decode(latent), await vae.decode(latent))).toBe(0)
    const film = wave([5, 8, 12, 3], (x) => 1 / (1 + Math.exp(-x)))
    expect(maxAbsDifference(await opened.encode(film), await vae.encode(film))).toBe(0)
    await opened.release()
  })
})
