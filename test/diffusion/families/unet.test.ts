/** Stable Diffusion's U-Net: its layouts, what shapes and configurations tell, sizes that do not halve evenly, and what it is told of the picture. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import type { Conditioning, Rows } from '../../../diffusion/families/contract.ts'
import type { Json } from '../../../diffusion/families/family.ts'
import { parseUnetConfig } from '../../../diffusion/families/unet/config.ts'
import unet from '../../../diffusion/families/unet/family.ts'
import { inferUnetConfig } from '../../../diffusion/families/unet/infer.ts'
import { chainOf, skipsAt } from '../../../diffusion/families/unet/units.ts'
import { openWeights, readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'
import { unetAsOriginal as asOriginal } from './unet-original.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const WEIGHTS = 'diffusion_pytorch_model.safetensors'
type Tensors = Readonly<Record<string, Tensor>>

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'unet-'))
})
afterAll(() => rm(base, { recursive: true }))

const write = (path: string, tensors: Tensors) => writeFile(path, encodeSafetensors(tensors))

const configOf = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(join(fixtures, name, 'config.json'), 'utf8')) as Json

const CASES = [
  ['unet-sd15-a', 'output_blocks.1.1.conv', 'model.diffusion_model.'],
  ['unet-sdxl-a', 'output_blocks.1.2.conv', ''],
] as const

describe('the original single file', () => {
  it.each(CASES)('of %s gives the same numbers', async (name, upsampler, prefix) => {
    const dir = join(base, name)
    await cp(join(fixtures, name), dir, { recursive: true })
    await write(
      join(dir, 'original_keys.safetensors'),
      asOriginal(await readTensors(join(dir, WEIGHTS)), upsampler, prefix),
    )
    const results = await checkCase(dir)
    expect(results.map(({ pass, details }) => [pass, pass ? [] : details])).toEqual([
      [true, []],
      [true, []],
    ])
  })

  it.each(CASES)(
    'of %s, and the other one, tell the configuration by their shapes, but for heads and groups',
    async (name, upsampler) => {
      const told = parseUnetConfig(await configOf(name), name)
      const file = join(base, `${name}.safetensors`)
      await write(file, asOriginal(await readTensors(join(fixtures, name, WEIGHTS)), upsampler, ''))
      const [diffusers, original] = [await openWeights(join(fixtures, name, WEIGHTS)), await openWeights(file)]
      const inferred = [inferUnetConfig(diffusers.tensors, 'diffusers'), inferUnetConfig(original.tensors, 'original')]
      expect(inferUnetConfig(original.tensors, 'diffusers')).toBeNull()
      for (const config of inferred) {
        const heads = (text: string): unknown => JSON.parse(text.replace(/"heads":[\d.]+/g, '"heads":0'))
        expect(heads(JSON.stringify({ ...config, groups: 8, sizes: told.sizes }))).toEqual(heads(JSON.stringify(told)))
        expect(config?.sizes?.all).toBe(told.sizes?.all)
      }
    },
  )
})

/** Runs the whole model on a latent of this size, in one range and unit by unit. */
async function predictions(
  name: string,
  latentShape: readonly number[],
  conditioning: Conditioning,
): Promise<readonly Tensor[]> {
  const fit = unet
    .fits(await openWeights(join(fixtures, name, WEIGHTS)), await configOf(name))
    .find(({ share }) => share === 1)!
  const { transformer } = fit.open()
  const { rows, shared } = await transformer.prepare(conditioning, latentShape)
  const latent = normalNoise(3n, [1, ...latentShape])
  const state = await transformer.run(
    { kind: 'embed' },
    { ...rows, latent, timestep: tensor(Float32Array.of(400), [1]) },
    shared,
  )
  const { depth } = transformer.facts
  const head = async (from: Rows): Promise<Tensor> =>
    (await transformer.run({ kind: 'head' }, from, shared))['prediction']!
  const whole = await head(await transformer.run({ kind: 'blocks', from: 0, to: depth }, state, shared))
  let each = state
  for (let i = 0; i < depth; i++) each = await transformer.run({ kind: 'blocks', from: i, to: i + 1 }, each, shared)
  const pieces = await head(each)
  await transformer.release()
  return [whole, pieces]
}

const sd15 = (extras: Conditioning['extras'] = {}): Conditioning => ({
  tokens: normalNoise(1n, [1, 7, 24]),
  pooled: null,
  extras,
})
const sdxl = (extras: Conditioning['extras'] = {}): Conditioning => ({
  tokens: normalNoise(1n, [1, 5, 20]),
  pooled: normalNoise(2n, [1, 12]),
  extras,
})

describe('cuts', () => {
  it.each([
    [8, 8],
    [5, 7],
    [2, 9],
  ])(
    'a latent of %i x %i, halved with a rest or without, gives the same bits whole and unit by unit',
    async (high, wide) => {
      const [whole, pieces] = await predictions('unet-sd15-a', [4, high, wide], sd15())
      expect(whole!.shape).toEqual([1, 4, high, wide])
      expect(pieces).toEqual(whole)
    },
  )

  it('keep alive exactly the skip tensors that are still to be taken', async () => {
    const chain = chainOf(parseUnetConfig(await configOf('unet-sd15-a'), 'config'))
    expect(chain.units.map(({ kind }) => kind)).toEqual([
      ...['down', 'shrink', 'down', 'middle'],
      ...['up', 'up', 'up', 'up'],
    ])
    expect(chain.units.map((_, cut) => skipsAt(chain, cut))).toEqual([1, 2, 3, 4, 4, 3, 2, 1])
    expect(skipsAt(chain, 8)).toBe(0)
  })
})

describe('the sizes that SDXL is told', () => {
  const at = async (extras: Conditioning['extras']): Promise<Tensor> =>
    (await predictions('unet-sdxl-a', [4, 8, 10], sdxl(extras)))[0]!

  it('are those of the picture unless nodes say otherwise', async () => {
    const plain = await at({})
    expect(await at({ height: 64, width: 80, crop_h: 0, crop_w: 0, target_height: 64, target_width: 80 })).toEqual(
      plain,
    )
    expect(maxAbsDifference(await at({ crop_w: 32 }), plain)).toBeGreaterThan(1e-3)
    expect(await at({ height: 100, width: 80 })).toEqual(
      await at({ height: 100, width: 80, target_height: 100, target_width: 80 }),
    )
  })

  it('cannot be told without pooled text of the right width', async () => {
    await expect(predictions('unet-sdxl-a', [4, 8, 8], { ...sdxl(), pooled: null })).rejects.toThrow(/no pooled text/)
    await expect(
      predictions('unet-sdxl-a', [4, 8, 8], { ...sdxl(), pooled: normalNoise(1n, [1, 13]) }),
    ).rejects.toThrow(/pooled text is \[1, 13\], expected \[1, 20 or 12\]/)
  })
})

describe('models for inpainting', () => {
  it('take mask and masked latent beside the noisy one, or blank ones', async () => {
    const file = join(base, 'inpainting.safetensors')
    const tensors = await readTensors(join(fixtures, 'unet-sd15-a', WEIGHTS))
    const first = tensor(
      normalNoise(8n, [16, 9, 3, 3]).data.map((value) => value / 9),
      [16, 9, 3, 3],
    )
    await write(file, { ...tensors, 'conv_in.weight': first })
    const json = { ...(await configOf('unet-sd15-a')), in_channels: 9 }
    const { transformer, latentChannels } = unet
      .fits(await openWeights(file), json)
      .find(({ share }) => share === 1)!
      .open()
    expect(latentChannels).toBe(4)
    const embed = async (latent: Tensor, conditioning: Conditioning): Promise<Tensor> => {
      const { rows, shared } = await transformer.prepare(conditioning, latent.shape.slice(1))
      const told = { ...rows, latent, timestep: tensor(Float32Array.of(5), [1]) }
      return (await transformer.run({ kind: 'embed' }, told, shared))['image']!
    }
    const nine = normalNoise(4n, [1, 9, 4, 6])
    const part = (from: number, to: number) => tensor(nine.data.slice(24 * from, 24 * to), [1, to - from, 4, 6])
    const beside = { concat_mask: part(4, 5), concat_latent_image: part(5, 9) }
    expect(await embed(part(0, 4), { ...sd15(), tensors: beside })).toEqual(await embed(nine, sd15()))
    expect(await embed(part(0, 4), sd15())).not.toEqual(await embed(nine, sd15()))
    await expect(embed(part(0, 4), { ...sd15(), tensors: { concat_mask: part(0, 2) } })).rejects.toThrow(
      /concat_mask is \[1, 2, 4, 6\], expected \[1, 1, 4, 6\]/,
    )
    await transformer.release()
  })
})

describe('what it refuses', () => {
  it('text of another width and latents that cannot be halved, in one answer', async () => {
    await expect(
      predictions('unet-sd15-a', [4, 8, 1], { ...sd15(), tokens: normalNoise(1n, [1, 7, 32]) }),
    ).rejects.toThrow(
      /text tokens are \[1, 7, 32\], expected \[1, L, 24\] \(load the text encoders .*\); the latent is \[4, 8, 1\], expected \[4, H, W\] with sides of 2/,
    )
  })

  it('options that it does not have, all at once', async () => {
    const json = {
      ...(await configOf('unet-sd15-a')),
      class_embed_type: 'timestep',
      act_fn: 'gelu',
      up_block_types: ['UpBlock2D'],
    }
    expect(() => parseUnetConfig(json, 'config.json')).toThrow(
      /config.json: class_embed_type is "timestep": only null is supported; act_fn is "gelu".*up_block_types is \["UpBlock2D"\], expected .*or 2 of them/,
    )
  })
})

describe('options that no fixture has', () => {
  const parsed = async (change: Json) => parseUnetConfig({ ...(await configOf('unet-sdxl-a')), ...change }, 'config')

  it('may be one value for all levels, one for each, or one for each layer', async () => {
    const two = { layers_per_block: 2, down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'] }
    const depths = async (change: Json) =>
      (await parsed({ ...two, ...change })).levels.map(({ down }) => down.map((one) => one?.depth))
    expect(await depths({ transformer_layers_per_block: 3 })).toEqual([
      [3, 3],
      [3, 3],
    ])
    const reverse = { reverse_transformer_layers_per_block: [[1, 1, 1], 2] }
    expect(await depths({ transformer_layers_per_block: [2, [1, 4]], ...reverse })).toEqual([
      [2, 2],
      [1, 4],
    ])
    const { levels } = await parsed({
      attention_head_dim: 4,
      only_cross_attention: [true, false],
      layers_per_block: [1, 2],
    })
    expect(levels.map(({ down, up }) => [down.length, up.length])).toEqual([
      [1, 2],
      [2, 3],
    ])
    expect(levels[1]!.down[0]).toMatchObject({ heads: 4, crossOnly: false })
    await expect(depths({ transformer_layers_per_block: [1, [2]] })).rejects.toThrow(
      /level 1 has 1 counts for 2 layers/,
    )
  })

  it('a middle without attention, or none', async () => {
    const without = await parsed({ mid_block_type: 'UNetMidBlock2D' })
    expect(chainOf(without).units[3]).toMatchObject({ kind: 'middle', after: null, layer: { attention: null } })
    expect(chainOf(await parsed({ mid_block_type: null })).units.map(({ kind }) => kind)).not.toContain('middle')
  })
})

describe('what a file without a scheduler predicts', () => {
  const kindOf = async (name: string, more: Tensors, change: Json = {}) => {
    const file = join(base, `${name}.safetensors`)
    await write(file, { ...(await readTensors(join(fixtures, 'unet-sd15-a', WEIGHTS))), ...more })
    const fits = unet.fits(await openWeights(file), { ...(await configOf('unet-sd15-a')), ...change })
    const { transformer, parametrisation } = fits.find(({ share }) => share === 1)!.open()
    await transformer.release()
    return parametrisation.kind
  }

  it('is the noise, or the velocity where the file is marked or its weights tell (Stable Diffusion 2)', async () => {
    expect(await kindOf('plain', {})).toBe('epsilon')
    expect(await kindOf('marked', { v_pred: tensor(new Float32Array(1), [1]) })).toBe('v')
    const resized = Object.keys(await readTensors(join(fixtures, 'unet-sd15-a', WEIGHTS))).filter((name) =>
      /attn2\.to_[kv]/.test(name),
    )
    const wide = async (spread: number) => {
      const tensors: Record<string, Tensor> = {
        'up_blocks.1.attentions.1.transformer_blocks.0.norm1.bias': tensor(
          Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? spread : -spread)),
          [16],
        ),
      }
      for (const name of resized) {
        const width = name.startsWith('mid') ? 32 : 16
        tensors[name] = tensor(new Float32Array(width * 1024), [width, 1024])
      }
      return kindOf(`spread ${spread}`, tensors, { cross_attention_dim: 1024 })
    }
    expect([await wide(0.05), await wide(0.12)]).toEqual(['epsilon', 'v'])
  })
})
