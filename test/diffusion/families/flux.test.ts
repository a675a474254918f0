/** The FLUX transformer on tiny reference models: cuts, batches, sizes, layouts, and clear refusals. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { openFluxCase, type FluxCase } from '../../../diffusion/check/shared/flux-case.ts'
import type { Prepared, Rows } from '../../../diffusion/families/contract.ts'
import { concatRows, row, sizeOf, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import flux from '../../../diffusion/families/flux/family.ts'
import { openWeights, type StoredTensor } from '../../../diffusion/onnx/weights.ts'
import { parseFluxConfig } from '../../../diffusion/families/flux/config.ts'
import { locateFlux } from '../../../diffusion/families/flux/keys.ts'
import { FluxTransformer } from '../../../diffusion/families/flux/transformer.ts'
import { readJson } from '../../../diffusion/families/json.ts'
import { flow } from '../../../diffusion/families/parametrisation.ts'

const dir = join(import.meta.dirname, '../../fixtures/parity/flux-dev-a')
/** The same numbers at every run, spread over -1..1. */
const wave = (shape: readonly number[], phase: number): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(0.7 * i + phase)),
    shape,
  )

describe('FluxTransformer', () => {
  let opened: FluxCase
  let prepared: readonly Prepared[]
  beforeAll(async () => {
    opened = await openFluxCase(dir)
    const { transformer, latentShape } = opened
    prepared = [
      await transformer.prepare(opened.conditioning(0), latentShape),
      await transformer.prepare(opened.conditioning(1), latentShape),
    ]
  })
  afterAll(() => opened.transformer.release())

  const inputs = (index: number, sigma: number): Rows => ({
    ...prepared[index]!.rows,
    latent: wave([1, ...opened.latentShape], index),
    sigma: tensor(Float32Array.of(sigma), [1]),
  })
  const embed = (rows: Rows) => opened.transformer.run({ kind: 'embed' }, rows, prepared[0]!.shared)
  const blocks = (rows: Rows, from: number, to: number) =>
    opened.transformer.run({ kind: 'blocks', from, to }, rows, prepared[0]!.shared)
  const head = (rows: Rows) => opened.transformer.run({ kind: 'head' }, rows, prepared[0]!.shared)

  it('offers a cut at every block', () => {
    expect(opened.transformer.facts).toMatchObject({ family: 'flux', depth: 5 })
    expect([...opened.transformer.facts.cuts]).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('gives the same bits however the blocks are cut', async () => {
    const state = await embed(inputs(0, 0.6))
    const whole = await blocks(state, 0, 5)
    for (const cuts of [[1], [2], [3], [1, 4], [1, 2, 3, 4]]) {
      let current = state
      for (const [i, cut] of [...cuts, 5].entries()) current = await blocks(current, cuts[i - 1] ?? 0, cut)
      for (const name of ['image', 'text']) expect([...current[name]!.data]).toEqual([...whole[name]!.data])
    }
  })

  it('leaves a state as it is over an empty range', async () => {
    const state = await embed(inputs(0, 0.6))
    expect((await blocks(state, 2, 2))['image']).toBe(state['image'])
  })

  it('gives a batch what its rows get alone, each at its own noise level', async () => {
    const rows = [inputs(0, 0.9), inputs(1, 0.2)]
    const names = Object.keys(rows[0]!)
    const batch = Object.fromEntries(names.map((name) => [name, concatRows(rows.map((r) => r[name]!))]))
    const together = (await head(await blocks(await embed(batch), 0, 5)))['prediction']!
    for (const [i, single] of rows.entries()) {
      const alone = (await head(await blocks(await embed(single), 0, 5)))['prediction']!
      expect(alone.shape).toEqual([1, ...opened.latentShape])
      expect(maxAbsDifference(row(together, i), alone)).toBeLessThan(1e-5)
    }
  })

  it('takes what was made for many noise levels at once as it makes it for one', async () => {
    const levels = [0.9, 0.5, 0.2].map((sigma) => ({ sigma, timestep: 1000 * sigma }))
    const { rows } = await opened.transformer.foresee!(prepared, levels)
    expect(rows.map((level) => level.length)).toEqual([2, 2, 2])
    for (const [i, { sigma }] of levels.entries())
      for (const prompt of [0, 1]) {
        const alone = await embed(inputs(prompt, sigma))
        const foreseen = await embed({ ...inputs(prompt, sigma), ...rows[i]![prompt]! })
        expect(foreseen['mods']!.data).toBe(rows[i]![prompt]!['mods']!.data)
        for (const name of ['image', 'temb', 'mods'])
          expect(maxAbsDifference(foreseen[name]!, alone[name]!)).toBeLessThan(1e-6)
      }
  })

  it('shares its tables between prompts of one length and size only', async () => {
    expect(prepared[1]!.shared).toBe(prepared[0]!.shared)
    const other = await opened.transformer.prepare(opened.conditioning(0), [4, 4, 6])
    expect(other.shared).not.toBe(prepared[0]!.shared)
  })

  it('takes wide and tall latents, whose positions differ', async () => {
    const predict = async (shape: readonly number[]): Promise<Tensor> => {
      const { rows, shared } = await opened.transformer.prepare(opened.conditioning(0), shape)
      const run = opened.transformer.run.bind(opened.transformer)
      const latent = wave([1, ...shape], 0)
      const state = await run({ kind: 'embed' }, { ...rows, latent, sigma: tensor(Float32Array.of(0.5), [1]) }, shared)
      const done = await run({ kind: 'blocks', from: 0, to: 5 }, state, shared)
      return (await run({ kind: 'head' }, done, shared))['prediction']!
    }
    const [wide, tall] = [await predict([4, 2, 10]), await predict([4, 10, 2])]
    expect(wide.shape).toEqual([1, 4, 2, 10])
    expect(tall.shape).toEqual([1, 4, 10, 2])
    expect(maxAbsDifference(wide, tall)).toBeGreaterThan(1e-3)
  })

  it('heeds the guidance of its conditioning, 3.5 when there is none', async () => {
    const vector = async (extras: Record<string, number>): Promise<Tensor> => {
      const conditioning = { ...opened.conditioning(0), extras }
      return (await opened.transformer.prepare(conditioning, opened.latentShape)).rows['vector']!
    }
    expect(await vector({})).toEqual(await vector({ guidance: 3.5 }))
    expect(maxAbsDifference(await vector({ guidance: 1 }), await vector({}))).toBeGreaterThan(1e-3)
  })

  it('names every fault of a conditioning and a latent at once', async () => {
    const conditioning = { tokens: wave([1, 7, 20], 0), pooled: null, extras: {} }
    await expect(opened.transformer.prepare(conditioning, [3, 5, 6])).rejects.toThrow(
      /\[1, 7, 20\], expected \[1, L, 24\].*pooled text is absent.*\[3, 5, 6\], expected \[4, H, W\].*must be even/,
    )
  })

  it('refuses rows that lack something, ranges outside, and work after release', async () => {
    await expect(blocks({}, 0, 5)).rejects.toThrow(/without image, text, mods/)
    const state = await embed(inputs(0, 0.6))
    await expect(blocks(state, 4, 6)).rejects.toThrow(/blocks 4 to 6 of a model with 5/)
    const other = await openFluxCase(dir)
    await other.transformer.release()
    await expect(other.transformer.run({ kind: 'embed' }, inputs(0, 1), {})).rejects.toThrow(/used after release/)
  })
})

describe('weights in the file', () => {
  it('give the same prediction mapped and cast at every run as in private copies', async () => {
    const config = parseFluxConfig(await readJson(join(dir, 'config.json')), 'config.json')
    const { tensors } = await openWeights(join(dir, 'original_keys.safetensors'))
    const parts = { config, weights: locateFlux(tensors, config, 'original').found }
    const opened = await openFluxCase(dir)
    const results: Tensor[] = []
    for (const mode of ['private', 'mapped'] as const) {
      const transformer = new FluxTransformer(parts, mode, mode)
      const { rows, shared } = await transformer.prepare(opened.conditioning(0), opened.latentShape)
      const start = { ...rows, latent: wave([1, ...opened.latentShape], 0), sigma: tensor(Float32Array.of(0.4), [1]) }
      const state = await transformer.run({ kind: 'embed' }, start, shared)
      const done = await transformer.run({ kind: 'blocks', from: 0, to: 5 }, state, shared)
      results.push((await transformer.run({ kind: 'head' }, done, shared))['prediction']!)
      await transformer.release()
    }
    await opened.transformer.release()
    expect(maxAbsDifference(results[0]!, results[1]!)).toBeLessThan(1e-5)
  })
})

/** Keys and shapes of a file as Black Forest Labs publishes them, with one block of each kind and heads of 128. */
function publishedShapes(width: number, prefix: string): ReadonlyMap<string, StoredTensor> {
  const shapes: Record<string, readonly number[]> = {}
  const linear = (name: string, out: number, wide: number): void => {
    shapes[`${name}.weight`] = [out, wide]
    shapes[`${name}.bias`] = [out]
  }
  const norms = (name: string): void => {
    for (const kind of ['query', 'key']) shapes[`${name}.${kind}_norm.scale`] = [128]
  }
  linear('img_in', width, 64)
  linear('txt_in', width, 40)
  for (const [name, wide] of [
    ['time_in', 256],
    ['vector_in', 24],
  ] as const) {
    linear(`${name}.in_layer`, width, wide)
    linear(`${name}.out_layer`, width, width)
  }
  for (const side of ['img', 'txt']) {
    const block = `double_blocks.0.${side}`
    linear(`${block}_mod.lin`, 6 * width, width)
    linear(`${block}_attn.qkv`, 3 * width, width)
    norms(`${block}_attn.norm`)
    linear(`${block}_attn.proj`, width, width)
    linear(`${block}_mlp.0`, 4 * width, width)
    linear(`${block}_mlp.2`, width, 4 * width)
  }
  linear('single_blocks.0.modulation.lin', 3 * width, width)
  linear('single_blocks.0.linear1', 7 * width, width)
  norms('single_blocks.0.norm')
  linear('single_blocks.0.linear2', width, 5 * width)
  linear('final_layer.adaLN_modulation.1', 2 * width, width)
  linear('final_layer.linear', 64, width)
  const stored = (name: string, shape: readonly number[]): StoredTensor => ({
    name,
    shape,
    dtype: 'BF16',
    offset: 0,
    length: 2 * sizeOf(shape),
    file: '/flux.safetensors',
  })
  return new Map(Object.entries(shapes).map(([key, shape]) => [prefix + key, stored(prefix + key, shape)]))
}

describe('recognition of FLUX', () => {
  it.each(['', 'model.diffusion_model.'])('needs no configuration for published heads (prefix "%s")', (prefix) => {
    const weights = { where: 'flux.safetensors', tensors: publishedShapes(256, prefix) }
    const fit = flux.fits(weights, null).find(({ share }) => share === 1)
    expect(fit?.label).toBe('flux (original keys)')
    const { transformer, latentChannels, parametrisation } = fit!.open()
    expect([transformer.facts.depth, latentChannels, parametrisation]).toEqual([2, 16, flow(1)])
  })

  it('refuses weights of a quantisation it does not read', () => {
    const tensors = new Map(publishedShapes(256, ''))
    tensors.set('img_in.weight.absmax', { ...tensors.get('img_in.bias')!, name: 'img_in.weight.absmax' })
    const fits = flux.fits({ where: 'nf4.safetensors', tensors }, null)
    expect(fits.every(({ share }) => share < 1)).toBe(true)
    expect(fits.find(({ label }) => label.includes('original'))?.misfits[0]).toMatch(/absmax.*not supported/)
  })

  const label = 'flux (diffusers keys)'
  const fitsOf = async (file: string, config: Record<string, unknown> | null) =>
    flux.fits(await openWeights(join(dir, file)), config)
  const config = {
    _class_name: 'FluxTransformer2DModel',
    attention_head_dim: 16,
    axes_dims_rope: [4, 6, 6],
    guidance_embeds: true,
    in_channels: 16,
    joint_attention_dim: 24,
    num_attention_heads: 2,
    num_layers: 2,
    num_single_layers: 3,
    pooled_projection_dim: 20,
  }

  it('tells the layouts apart', async () => {
    const shares = (fits: readonly { label: string; share: number }[]) =>
      Object.fromEntries(fits.map((fit) => [fit.label, fit.share === 1]))
    expect(shares(await fitsOf('diffusion_pytorch_model.safetensors', config))).toEqual({
      [label]: true,
      'flux (original keys)': false,
    })
    expect(shares(await fitsOf('original_keys.safetensors', config))).toEqual({
      [label]: false,
      'flux (original keys)': true,
    })
  })

  it('says which tensors do not fit a configuration', async () => {
    const fits = await fitsOf('diffusion_pytorch_model.safetensors', {
      ...config,
      joint_attention_dim: 28,
      num_layers: 3,
    })
    const { misfits } = fits.find((fit) => fit.label === label)!
    expect(misfits).toContain('context_embedder.weight: [32, 24], expected [32, 28]')
    expect(misfits).toContain('transformer_blocks.2.norm1.linear.weight: missing, expected [192, 32]')
  })

  it('names every fault of a configuration at once', async () => {
    const broken = { ...config, num_layers: -1, axes_dims_rope: [4, 6], patch_size: 2 }
    await expect(fitsOf('original_keys.safetensors', broken)).rejects.toThrow(
      /num_layers is -1.*axes_dims_rope has 2 axes.*must be even and sum to.*16.*patch_size must be 1/,
    )
  })
})
