/** LoRAs against weights changed by hand: W + strength alpha / r up down, under every trainer's names. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import type { Conditioning, DiffusionModel, Transformer } from '../../../diffusion/families/contract.ts'
import { applyLora } from '../../../diffusion/families/lora/apply.ts'
import { openLora } from '../../../diffusion/families/lora/read.ts'
import { openLooseText } from '../../../diffusion/families/loose.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { sizeOf, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { clipShapes, encode, fluxTensors, randomTensors, t5Shapes, tinyFlux, type Tensors } from './synthetic.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const [RANK, ALPHA] = [4, 2]

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lora-'))
})
afterAll(() => rm(root, { recursive: true }))

const random = (seed: number, shape: readonly number[]): Tensor => {
  const size = sizeOf(shape)
  return tensor(
    normalNoise(BigInt(seed), [Math.max(16, size)])
      .data.slice(0, size)
      .map((x) => 0.3 * x),
    shape,
  )
}

/** W + factor up down, by hand. */
function changed(weight: Tensor, up: Tensor, down: Tensor, factor: number): Tensor {
  const [rows = 0] = weight.shape
  const columns = weight.data.length / rows
  const rank = down.shape[0] ?? 0
  const data = weight.data.map((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    let sum = 0
    for (let k = 0; k < rank; k++) sum += up.data[row * rank + k]! * down.data[k * columns + column]!
    return value + factor * sum
  })
  return tensor(data, weight.shape)
}

/** Up and down parts for layers of a checkpoint, by their names there. */
type Parts = Readonly<Record<string, { readonly up: Tensor; readonly down: Tensor }>>
function partsFor(tensors: Tensors, modules: readonly string[], seed: number): Parts {
  return Object.fromEntries(
    modules.map((module, i) => {
      const { shape } = tensors[`${module}.weight`]!
      const kernel = shape.slice(2)
      const up = random(seed + 2 * i, [shape[0]!, RANK, ...kernel.map(() => 1)])
      return [module, { up, down: random(seed + 2 * i + 1, [RANK, ...shape.slice(1)]) }]
    }),
  )
}

const patched = (tensors: Tensors, parts: Parts, factor: number): Tensors => ({
  ...tensors,
  ...Object.fromEntries(
    Object.entries(parts).map(([module, { up, down }]) => [
      `${module}.weight`,
      changed(tensors[`${module}.weight`]!, up, down, factor),
    ]),
  ),
})

const write = async (name: string, tensors: Tensors): Promise<string> => {
  const path = join(root, `${name}.safetensors`)
  await writeFile(path, encode(tensors))
  return path
}

/** How a trainer names what it saves: of a layer's name the key stem, and the ends of the parts. */
interface Form {
  readonly stem: (module: string) => string
  readonly down: string
  readonly up: string
  readonly alpha: boolean
}
const KOHYA: Form = {
  stem: (module) => `lora_unet_${module.replaceAll('.', '_')}`,
  ...{ down: '.lora_down.weight', up: '.lora_up.weight', alpha: true },
}
const PEFT: Form = {
  stem: (module) => `transformer.${module}`,
  ...{ down: '.lora_A.weight', up: '.lora_B.weight', alpha: false },
}
const COMFYUI: Form = { ...KOHYA, stem: (module) => `diffusion_model.${module}` }
const ENDS = { down: '.lora.down.weight', up: '.lora.up.weight', alpha: false }
const OLD: Form = { stem: (module) => `unet.${module}`, ...ENDS }

const loraTensors = (parts: Parts, form: Form): Tensors =>
  Object.fromEntries(
    Object.entries(parts).flatMap(([module, { up, down }]) => [
      [form.stem(module) + form.up, up],
      [form.stem(module) + form.down, down],
      ...(form.alpha ? [[`${form.stem(module)}.alpha`, tensor(Float32Array.of(ALPHA), [])] as const] : []),
    ]),
  )

/** What the whole transformer gives for fixed inputs. */
async function predict(transformer: Transformer, conditioning: Conditioning, latent: Tensor): Promise<Tensor> {
  const [, ...shape] = latent.shape
  const { rows, shared } = await transformer.prepare(conditioning, shape)
  const time = { sigma: tensor(Float32Array.of(0.7), [1]), timestep: tensor(Float32Array.of(700), [1]) }
  const embedded = await transformer.run({ kind: 'embed' }, { ...rows, ...time, latent }, shared)
  const state = await transformer.run({ kind: 'blocks', from: 0, to: transformer.facts.depth }, embedded, shared)
  return (await transformer.run({ kind: 'head' }, state, shared))['prediction']!
}

const far = (a: Tensor, b: Tensor): number =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0)
const release = (models: readonly DiffusionModel[]) =>
  Promise.all(models.map(({ transformer }) => transformer.release()))

const config = tinyFlux(64, 32)
const latent = normalNoise(9n, [1, 16, 4, 6])
const conditioning = { tokens: normalNoise(5n, [1, 7, 64]), pooled: normalNoise(6n, [1, 32]), extras: {} }
const MODULES = {
  original: [
    'double_blocks.0.img_attn.qkv',
    'double_blocks.0.txt_mlp.0',
    'single_blocks.0.linear1',
    'single_blocks.0.linear2',
    'img_in',
  ],
  diffusers: [
    'transformer_blocks.0.attn.to_q',
    'transformer_blocks.0.ff_context.net.0.proj',
    'single_transformer_blocks.0.attn.to_v',
    'single_transformer_blocks.0.proj_out',
    'norm_out.linear',
  ],
}

describe('a LoRA on FLUX', () => {
  const base = { original: fluxTensors(config, 1n, 'original'), diffusers: fluxTensors(config, 1n, 'diffusers') }
  beforeAll(async () => {
    for (const layout of ['original', 'diffusers'] as const) await write(layout, base[layout])
  })

  const cases = [
    ['kohya', 'original', KOHYA],
    ['kohya', 'diffusers', { ...KOHYA, stem: (module: string) => `lora_transformer_${module.replaceAll('.', '_')}` }],
    ['PEFT', 'diffusers', PEFT],
    ['ComfyUI', 'original', COMFYUI],
    ['older diffusers', 'diffusers', OLD],
  ] as const
  it.each(cases)(
    'of %s with %s names is W + s alpha / r up down, on files of both layouts',
    async (_, layout, form) => {
      const parts = partsFor(base[layout], MODULES[layout], 100)
      const lora = await openLora(await write('lora', loraTensors(parts, form)))
      const strength = 0.8
      const factor = form.alpha ? (strength * ALPHA) / RANK : strength
      const byHand = await openDiffusionModel(await write('by-hand', patched(base[layout], parts, factor)))
      const expected = await predict(byHand.transformer, conditioning, latent)
      for (const file of ['original', 'diffusers']) {
        const model = await openDiffusionModel(join(root, `${file}.safetensors`))
        const applied = await applyLora(model, null, lora, { model: strength, clip: 0 })
        expect(applied.warnings).toEqual([])
        expect(far(await predict(applied.model.transformer, conditioning, latent), expected)).toBeLessThan(1e-5)
        expect(far(await predict(model.transformer, conditioning, latent), expected)).toBeGreaterThan(1e-2)
        await release([model, applied.model])
      }
      await release([byHand])
    },
  )

  it('at strength 0 is the model itself, and several add up in any order', async () => {
    const [one, two] = [partsFor(base.original, MODULES.original, 100), partsFor(base.original, ['img_in'], 300)]
    const loras = [
      await openLora(await write('one', loraTensors(one, KOHYA))),
      await openLora(await write('two', loraTensors(two, COMFYUI))),
    ]
    const model = await openDiffusionModel(join(root, 'original.safetensors'))
    expect((await applyLora(model, null, loras[0]!, { model: 0, clip: 1 })).model).toBe(model)
    const put = async (order: readonly number[]) => {
      let on = model
      for (const i of order) on = (await applyLora(on, null, loras[i]!, { model: 1, clip: 0 })).model
      return on
    }
    const both = [await put([0, 1]), await put([1, 0])]
    const byHand = patched(patched(base.original, one, ALPHA / RANK), two, ALPHA / RANK)
    const opened = await openDiffusionModel(await write('both', byHand))
    const expected = await predict(opened.transformer, conditioning, latent)
    for (const { transformer } of both)
      expect(far(await predict(transformer, conditioning, latent), expected)).toBeLessThan(1e-5)
    await release([model, opened, ...both])
  })

  it('says which layers have no place, and refuses one for another model', async () => {
    const parts = partsFor(base.original, ['img_in'], 100)
    const foreign = { lora_unet_up_blocks_0_x: parts['img_in']! }
    const lora = await openLora(
      await write('some', { ...loraTensors(parts, KOHYA), ...loraTensors(foreign, { ...KOHYA, stem: (m) => m }) }),
    )
    const model = await openDiffusionModel(join(root, 'original.safetensors'))
    const { warnings, model: on } = await applyLora(model, null, lora, { model: 1, clip: 0 })
    expect(warnings).toEqual([
      expect.stringMatching(/1 of 2 layers have no place in the model: lora_unet_up_blocks_0_x/),
    ])
    const other = await openLora(await write('other', loraTensors(foreign, { ...KOHYA, stem: (m) => m })))
    await expect(applyLora(model, null, other, { model: 1, clip: 0 })).rejects.toThrow(
      /other\.safetensors is no LoRA for original\.safetensors \(flux\): none of its 1 layers/,
    )
    const wrong = { img_in: { up: random(1, [16, RANK]), down: random(2, [RANK, 8]) } }
    const misshapen = await openLora(await write('wrong', loraTensors(wrong, KOHYA)))
    await expect(applyLora(model, null, misshapen, { model: 1, clip: 0 })).rejects.toThrow(
      /img_in: \[16, 4\] \[4, 8\] on \[128, 64\]/,
    )
    await release([model, on])
  })
})

describe('a LoRA on SD3', () => {
  it('changes convolutions and linear layers, and whole differences of weight and bias', async () => {
    const weights = await readTensors(join(fixtures, 'sd3-a/diffusion_pytorch_model.safetensors'))
    const names = ['pos_embed.proj', 'transformer_blocks.0.attn.add_k_proj', 'transformer_blocks.1.ff.net.2']
    const parts = partsFor(weights, names, 700)
    const name = 'transformer_blocks.1.attn.to_q'
    const [diff, diffBias] = [
      random(900, weights[`${name}.weight`]!.shape),
      random(901, weights[`${name}.bias`]!.shape),
    ]
    const lora = await openLora(
      await write('sd3-lora', {
        ...loraTensors(parts, PEFT),
        [`diffusion_model.${name}.diff`]: diff,
        [`diffusion_model.${name}.diff_b`]: diffBias,
      }),
    )
    const plus = (key: string, by: Tensor) => ({
      ...by,
      data: weights[key]!.data.map((value, i) => value + by.data[i]!),
    })
    const byHand = {
      ...patched(weights, parts, 1),
      [`${name}.weight`]: plus(`${name}.weight`, diff),
      [`${name}.bias`]: plus(`${name}.bias`, diffBias),
    }
    await cp(join(fixtures, 'sd3-a/config.json'), join(root, 'config.json'))
    const [model, opened] = [
      await openDiffusionModel(await write('sd3', weights)),
      await openDiffusionModel(await write('sd3-by-hand', byHand)),
    ]
    const inputs = await readTensors(join(fixtures, 'sd3-a/inputs.safetensors'))
    const first = ({ data, shape }: Tensor) => tensor(data.slice(0, data.length / shape[0]!), [1, ...shape.slice(1)])
    const prompt = {
      tokens: first(inputs['encoder_hidden_states']!),
      pooled: first(inputs['pooled_projections']!),
      extras: {},
    }
    const applied = await applyLora(model, null, lora, { model: 1, clip: 0 })
    const x = first(inputs['hidden_states']!)
    const [got, expected] = [
      await predict(applied.model.transformer, prompt, x),
      await predict(opened.transformer, prompt, x),
    ]
    expect([applied.warnings, far(got, expected) < 1e-5]).toEqual([[], true])
    expect(far(got, await predict(model.transformer, prompt, x))).toBeGreaterThan(1e-2)
    await release([model, opened, applied.model])
  })
})

describe('a LoRA on text encoders', () => {
  it('of kohya and of diffusers changes the encoder it names, and it alone', async () => {
    await writeTinyCheckpoint(join(root, 'tiny'))
    const tokenizers = { of: (kind: string) => [join(root, kind === 'clip' ? 'tiny/tokenizer' : 'tiny/tokenizer_2')] }
    const clip = randomTensors(clipShapes(64, 1, 99, 77, false), 1n)
    const t5 = randomTensors(t5Shapes(64, 1, 99), 50n)
    const text = await openLooseText([await write('c', clip), await write('t', t5)], 'flux', tokenizers)
    const model = await openDiffusionModel(await write('model', fluxTensors(config, 1n, 'original')))
    const layer = 'text_model.encoder.layers.0.self_attn.q_proj'
    const parts = partsFor(clip, [layer], 40)
    const changedClip = await write('c2', patched(clip, parts, ALPHA / RANK))
    const byHand = await openLooseText([changedClip, join(root, 't.safetensors')], 'flux', tokenizers)
    const expected = await byHand.encode('red house')
    const forms = [
      { ...KOHYA, stem: (module: string) => `lora_te1_${module.replaceAll('.', '_')}` },
      { ...COMFYUI, stem: (module: string) => `text_encoder.${module}` },
    ]
    for (const form of forms) {
      const lora = await openLora(await write('te', loraTensors(parts, form)))
      const { clip: on, model: same } = await applyLora(model, text, lora, { model: 0, clip: 1 })
      expect(same).toBe(model)
      const got = await on!.encode('red house')
      expect(far(got.pooled!, expected.pooled!)).toBeLessThan(1e-5)
      expect(far(got.pooled!, (await text.encode('red house')).pooled!)).toBeGreaterThan(1e-3)
      expect(got.tokens).toEqual(expected.tokens)
    }
    await release([model])
  })
})
