/** WAN: reference cases in both key layouts, what image-to-video lays beside the latent, its taps, and what it refuses. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'
import { openCheckpoint, openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import type { Conditioning } from '../../../diffusion/families/contract.ts'
import { parametrisationOf, flow } from '../../../diffusion/families/parametrisation.ts'
import { asDiffusers, parseWanConfig } from '../../../diffusion/families/wan/config.ts'
import { besideLatent } from '../../../diffusion/families/wan/picture.ts'
import { rotaryAxes } from '../../../diffusion/families/wan/transformer.ts'
import { tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import { caseWith, fixtures, rekeyed, type Rewrites } from './rekeyed.ts'
import { encode, prefixed } from './synthetic.ts'
import { writeWanPipeline } from './wan-models.ts'

/** diffusers' names as the authors' files have them. */
const TO_ORIGINAL: Rewrites = [
  [/^condition_embedder\.time_embedder\.linear_1/, 'time_embedding.0'],
  [/^condition_embedder\.time_embedder\.linear_2/, 'time_embedding.2'],
  [/^condition_embedder\.time_proj/, 'time_projection.1'],
  [/^condition_embedder\.text_embedder\.linear_1/, 'text_embedding.0'],
  [/^condition_embedder\.text_embedder\.linear_2/, 'text_embedding.2'],
  [/^condition_embedder\.image_embedder\.norm1/, 'img_emb.proj.0'],
  [/^condition_embedder\.image_embedder\.ff\.net\.0\.proj/, 'img_emb.proj.1'],
  [/^condition_embedder\.image_embedder\.ff\.net\.2/, 'img_emb.proj.3'],
  [/^condition_embedder\.image_embedder\.norm2/, 'img_emb.proj.4'],
  [/^scale_shift_table/, 'head.modulation'],
  [/^proj_out/, 'head.head'],
  [/\.scale_shift_table$/, '.modulation'],
  [/attn1\.to_out\.0/, 'attn1.o'],
  [/attn2\.to_out\.0/, 'attn2.o'],
  [/\.to_([qkv])\./, '.$1.'],
  [/add_([kv])_proj/, '$1_img'],
  [/norm_added_k/, 'norm_k_img'],
  [/\.norm2\./, '.norm3.'],
  [/attn1/, 'self_attn'],
  [/attn2/, 'cross_attn'],
  [/ffn\.net\.0\.proj/, 'ffn.0'],
  [/ffn\.net\.2/, 'ffn.2'],
]

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'wan-'))
})
afterAll(() => rm(base, { recursive: true }))

describe('references', () => {
  it.each(['umt5-a', 'vae-wan-a', 'clip-vision-a'])('%s', async (name) => {
    const [result] = await checkCase(join(fixtures, name))
    expect(result?.details.join('\n')).not.toMatch(/NaN/)
    expect(result).toMatchObject({ kind: 'model', pass: true, bar: 1e-4 })
  })

  it.each([
    ['wan-t2v-a', ''],
    ['wan-t2v-a', 'model.diffusion_model.'],
    ['wan-i2v-a', 'model.diffusion_model.'],
  ])("%s, with the authors' keys after '%s' too", async (name, prefix) => {
    const original = await rekeyed(name, TO_ORIGINAL)
    expect(Object.keys(original)).toContain('blocks.0.self_attn.q.weight')
    const dir = await caseWith(name, prefixed(original, prefix))
    const results = await checkCase(dir)
    await rm(dir, { recursive: true })
    expect(results.map(({ pass, details }) => [pass, pass ? [] : details])).toEqual([
      [true, []],
      [true, []],
    ])
    const compared = results[0]?.details.join('\n') ?? ''
    for (const state of ['blocks.0', 'blocks.1', 'condition_embedder.1', 'condition_embedder.2'])
      expect(compared).toContain(`hidden.${state}:`)
    if (name === 'wan-i2v-a') expect(compared).toContain('hidden.condition_embedder.3:')
  })
})

describe('configurations', () => {
  it('give rows and columns a third of a head each, and frames what is left', () => {
    const axes = (headSize: number) => rotaryAxes({ ...i2v, headSize }).sizes
    expect([axes(128), axes(12), axes(16)]).toEqual([
      [44, 42, 42],
      [4, 4, 4],
      [8, 4, 4],
    ])
  })

  it("are read in the authors' words too", () => {
    const theirs = {
      ...{ _class_name: 'WanModel', model_type: 'i2v', dim: 5120, num_heads: 40, num_layers: 40, in_dim: 36 },
      ...{ out_dim: 16, ffn_dim: 13824, freq_dim: 256, eps: 1e-6 },
    }
    expect(parseWanConfig(asDiffusers(theirs), 'here')).toMatchObject({
      ...{ width: 5120, heads: 40, headSize: 128, blocks: 40, inChannels: 36, channels: 16 },
      ...{ vision: { width: 1280, positions: null }, seesPicture: true, crossNorm: true },
    })
  })

  it('name every fault at once', () => {
    const broken = { qk_norm: 'layer_norm', in_channels: 4, patch_size: [2, 2], image_dim: 1280 }
    expect(() => parseWanConfig(broken, 'there')).toThrow(
      /^there: .*patch_size.*; qk_norm.*; in_channels is 4.*; image_dim and added_kv_proj_dim/,
    )
  })

  it("take the shift from the scheduler of WAN's folders", () => {
    const scheduler = { _class_name: 'UniPCMultistepScheduler', use_flow_sigmas: true, flow_shift: 3 }
    expect(parametrisationOf(scheduler, flow(8), 'here')).toMatchObject({ kind: 'flow', shift: 3 })
    expect(() => parametrisationOf({ ...scheduler, use_flow_sigmas: false }, flow(8), 'here')).toThrow(
      /use_flow_sigmas/,
    )
  })
})

const i2v = parseWanConfig({ in_channels: 9, out_channels: 4, num_attention_heads: 1 }, 'test')

describe('what lies beside the latent', () => {
  const shape = [4, 3, 1, 2]
  const image = tensor(
    Float32Array.from({ length: 24 }, (_, i) => i),
    [1, 4, 3, 1, 2],
  )
  const prompt = (tensors: Readonly<Record<string, Tensor>>): Conditioning => ({
    ...{ tokens: zeros([1, 1, 1]), pooled: null, extras: {}, tensors },
  })
  const mask = tensor(Float32Array.of(0, 0, 1, 1), [1, 1, 2, 1, 2])

  it('is the mask of the given frames, then the picture; frames that the mask lacks are to be made', () => {
    const beside = besideLatent('m', i2v, prompt({ concat_latent_image: image, concat_mask: mask }), shape)
    expect(beside.shape).toEqual([1, 5, 3, 1, 2])
    expect([...beside.data]).toEqual([1, 1, 0, 0, 0, 0, ...image.data])
  })

  it('is nothing without a picture, and repeats one mask for all its channels', () => {
    expect(besideLatent('m', i2v, prompt({}), shape).data.every((one) => one === 0)).toBe(true)
    const wide = { ...i2v, inChannels: 12 }
    const { data } = besideLatent('m', wide, prompt({ concat_latent_image: image, concat_mask: mask }), shape)
    expect([...data.subarray(0, 24)]).toEqual(Array.from({ length: 4 }, () => [1, 1, 0, 0, 0, 0]).flat())
  })

  it('is refused in another size, all at once', () => {
    const other = { concat_latent_image: zeros([1, 4, 3, 2, 2]), concat_mask: zeros([1, 2, 3, 1, 2]) }
    expect(() => besideLatent('m', i2v, prompt(other), shape)).toThrow(
      'm: the picture beside the latent is [1, 4, 3, 2, 2], expected [1, 4, 3, 1, 2]; its mask is [1, 2, 3, 1, 2], expected [1, 1 or 1, 3, 1, 2]',
    )
  })
})

describe('prompts', () => {
  it('are padded with zeros, which the transformer looks at', async () => {
    await writeWanPipeline(base)
    const opened = await openCheckpoint(join(base, 'tiny-wan'))
    expect(opened.model).toMatchObject({ parametrisation: { kind: 'flow', shift: 3 }, latent: { temporalFactor: 2 } })
    const { tokens, mask, pooled } = await opened.clip.encode('red house')
    // The tokenizer says 12; two words and what ends them.
    expect([tokens.shape, mask, pooled]).toEqual([[1, 12, 24], undefined, null])
    const isZero = Array.from({ length: 12 }, (_, i) =>
      tokens.data.subarray(24 * i, 24 * (i + 1)).every((x) => x === 0),
    )
    expect(isZero).toEqual(Array.from({ length: 12 }, (_, i) => i >= 3))
    await opened.release()
  })
})

describe('a model', () => {
  it('offers every cut, and the signals that TeaCache was tuned on', async () => {
    const { transformer, latent } = await openDiffusionModel(join(fixtures, 'wan-t2v-a'))
    expect(latent).toMatchObject({ channels: 4, temporalFactor: 4 })
    expect(transformer.facts).toMatchObject({ family: 'wan', depth: 2, cuts: new Set([0, 1, 2]) })
    const prompt: Conditioning = { tokens: zeros([1, 5, 20]), pooled: null, extras: {} }
    const { rows, shared } = await transformer.prepare(prompt, [4, 3, 6, 8])
    const at = { latent: zeros([1, 4, 3, 6, 8]), timestep: tensor(Float32Array.of(500), [1]) }
    const state = await transformer.run({ kind: 'embed' }, { ...rows, ...at }, shared)
    const widths = { modulated: [1, 36, 24], temb: [1, 24], 'projected temb': [1, 144] }
    expect([...transformer.facts.taps].sort()).toEqual(Object.keys(widths).sort())
    for (const [name, shape] of Object.entries(widths)) {
      const tapped = await transformer.run({ kind: 'tap', name }, state, shared)
      expect(tapped[name]?.shape).toEqual(shape)
    }
    await transformer.release()
  })

  it('says what does not suit it', async () => {
    const { transformer } = await openDiffusionModel(join(fixtures, 'wan-i2v-a'))
    const prompt: Conditioning = { tokens: zeros([1, 5, 20]), pooled: null, extras: {} }
    await expect(transformer.prepare(prompt, [4, 2, 5, 6])).rejects.toThrow(
      /cells must be multiples of 1 x 2 x 2; text tokens are \[1, 5, 20\], expected \[1, L, 16\] .*; .*clip_vision_output/,
    )
    await transformer.release()
  })

  it('is not recognised with a weight missing, and the message says which', async () => {
    const tensors = await rekeyed('wan-t2v-a', TO_ORIGINAL)
    const { 'blocks.1.cross_attn.norm_q.weight': _, ...rest } = tensors
    await cp(join(fixtures, 'wan-t2v-a/config.json'), join(base, 'config.json'))
    await writeFile(join(base, 'any.safetensors'), encode(rest))
    await expect(openDiffusionModel(join(base, 'any.safetensors'))).rejects.toThrow(
      /wan \(original keys\) fits 99 %: blocks.1.cross_attn.norm_q.weight: missing, expected \[24\]/,
    )
  })
})
