/** SD3, PixArt and DiT from whole folders to samples, SD3's original single file, and files that none of them fits. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'
import { openCheckpoint, openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import euler from '../../../diffusion/samplers/euler.ts'
import { sample } from '../../../diffusion/sampling.ts'
import normal from '../../../diffusion/schedules/normal.ts'
import { zeros, type Tensor } from '../../../diffusion/tensor.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const WEIGHTS = 'diffusion_pytorch_model.safetensors'
type Tensors = Readonly<Record<string, Tensor>>

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'families-'))
})
afterAll(() => rm(base, { recursive: true }))

const write = (path: string, tensors: Tensors) => writeFile(path, encodeSafetensors(tensors))

/** Changes a JSON file. */
async function edit(path: string, change: Readonly<Record<string, unknown>>): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as object
  await writeFile(path, JSON.stringify({ ...json, ...change }))
}

/** A pipeline folder around the transformer of a case; weights named in `resized` get these shapes to suit the text encoders. */
async function pipeline(
  name: string,
  transformer: { from: string; config?: object; resized?: Readonly<Record<string, readonly number[]>> },
): Promise<string> {
  const folder = join(base, name)
  await mkdir(folder)
  await writeTinyCheckpoint(folder)
  await writeFile(
    join(folder, 'model_index.json'),
    JSON.stringify({ _class_name: name, id2label: { 3: 'hen, chick' } }),
  )
  const to = join(folder, 'transformer')
  await rm(to, { recursive: true })
  await cp(join(fixtures, transformer.from), to, { recursive: true })
  await edit(join(to, 'config.json'), { ...transformer.config })
  const changed = Object.entries(transformer.resized ?? {}).map(([key, shape], i) => [
    key,
    normalNoise(BigInt(i), shape),
  ])
  await write(join(to, WEIGHTS), {
    ...(await readTensors(join(to, WEIGHTS))),
    ...(Object.fromEntries(changed) as Tensors),
  })
  return folder
}

/** Four steps from a prompt to a latent, guided against the empty prompt. */
async function draw(folder: string, prompt: string): Promise<Tensor> {
  const opened = await openCheckpoint(folder)
  const { model, clip } = opened
  try {
    const noise = normalNoise(5n, [2, 4, 8, 8])
    const { samples } = await sample({
      ...{ model, noise, sampler: euler, cache: null, guidance: 3, latent: zeros(noise.shape) },
      positive: [await clip.encode(prompt)],
      negative: [await clip.encode('')],
      sigmas: runSigmas(normal, 4, 1, model.parametrisation),
      signal: new AbortController().signal,
    })
    return samples
  } finally {
    await opened.release()
  }
}

async function drawsByPrompt(folder: string, prompts: readonly [string, string]): Promise<void> {
  const [one, other] = [await draw(folder, prompts[0]), await draw(folder, prompts[1])]
  expect(one.shape).toEqual([2, 4, 8, 8])
  expect(one.data.every(Number.isFinite)).toBe(true)
  expect([...one.data]).not.toEqual([...other.data])
}

const linearBetas = { _class_name: 'DPMSolverMultistepScheduler', beta_schedule: 'linear', prediction_type: 'epsilon' }

describe('whole folders', () => {
  it('StableDiffusion3Pipeline', async () => {
    const folder = await pipeline('StableDiffusion3Pipeline', {
      from: 'sd3-a',
      config: { joint_attention_dim: 72, pooled_projection_dim: 56 },
      resized: { 'context_embedder.weight': [32, 72], 'time_text_embed.text_embedder.linear_1.weight': [32, 56] },
    })
    await rm(join(folder, 'text_encoder_2'), { recursive: true })
    await cp(join(fixtures, 'clip-g-a'), join(folder, 'text_encoder_2'), { recursive: true })
    await rm(join(folder, 'tokenizer_2'), { recursive: true })
    await cp(join(folder, 'tokenizer'), join(folder, 'tokenizer_2'), { recursive: true })
    await drawsByPrompt(folder, ['ab', 'c d'])
    const opened = await openCheckpoint(folder)
    const { tokens, pooled } = await opened.clip.encode('ab')
    expect([tokens.shape[2], pooled?.shape]).toEqual([72, [1, 56]])
    await opened.release()
  })

  it('PixArtSigmaPipeline, whose padding does not matter', async () => {
    const folder = await pipeline('PixArtSigmaPipeline', {
      from: 'pixart-sigma-a',
      config: { caption_channels: 32 },
      resized: { 'caption_projection.linear_1.weight': [32, 32] },
    })
    for (const part of ['text_encoder', 'tokenizer']) {
      await rm(join(folder, part), { recursive: true })
      await cp(join(folder, `${part}_2`), join(folder, part), { recursive: true })
    }
    await writeFile(join(folder, 'scheduler/scheduler_config.json'), JSON.stringify(linearBetas))
    await drawsByPrompt(folder, ['red house', 'a'])
    const long = await draw(folder, 'red')
    await edit(join(folder, 'tokenizer/tokenizer_config.json'), { model_max_length: 7 })
    const short = await draw(folder, 'red')
    short.data.forEach((value, i) => expect(value).toBeCloseTo(long.data[i]!, 3))
  })

  it('DiTPipeline: classes by number and by name', async () => {
    const folder = await pipeline('DiTPipeline', { from: 'dit-a' })
    await writeFile(
      join(folder, 'scheduler/scheduler_config.json'),
      JSON.stringify({ ...linearBetas, _class_name: 'DDIMScheduler' }),
    )
    await drawsByPrompt(folder, ['1', 'Hen'])
    expect([...(await draw(folder, 'chick')).data]).toEqual([...(await draw(folder, '3')).data])
    await expect(draw(folder, 'submarine')).rejects.toThrow(/'submarine' is no class .* from 0 to 9/)
  })

  it('refuses a scheduler of the other kind', async () => {
    const folder = join(base, 'DiTPipeline')
    await writeFile(
      join(folder, 'scheduler/scheduler_config.json'),
      JSON.stringify({ _class_name: 'FlowMatchEulerDiscreteScheduler' }),
    )
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /scheduler_config.json: _class_name is "FlowMatch.*DDIMScheduler/,
    )
  })
})

/** Swaps the halves of a modulation: scale before shift to shift before scale. */
function swapped({ data, shape }: Tensor): Tensor {
  const half = data.length / 2
  return { data: new Float32Array([...data.subarray(half), ...data.subarray(0, half)]), shape }
}

const stacked = (parts: readonly Tensor[]): Tensor => ({
  data: new Float32Array(parts.flatMap(({ data }) => [...data])),
  shape: [parts.length * parts[0]!.shape[0]!, ...parts[0]!.shape.slice(1)],
})

const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^pos_embed\.proj/, 'x_embedder.proj'],
  [/^pos_embed\.pos_embed$/, 'pos_embed'],
  [/^time_text_embed\.timestep_embedder\.linear_1/, 't_embedder.mlp.0'],
  [/^time_text_embed\.timestep_embedder\.linear_2/, 't_embedder.mlp.2'],
  [/^time_text_embed\.text_embedder\.linear_1/, 'y_embedder.mlp.0'],
  [/^time_text_embed\.text_embedder\.linear_2/, 'y_embedder.mlp.2'],
  [/^norm_out\.linear/, 'final_layer.adaLN_modulation.1'],
  [/^proj_out/, 'final_layer.linear'],
  [/^transformer_blocks/, 'joint_blocks'],
  [/norm1_context\.linear/, 'context_block.adaLN_modulation.1'],
  [/norm1\.linear/, 'x_block.adaLN_modulation.1'],
  [/attn\.norm_added_/, 'context_block.attn.ln_'],
  [/\b(attn2?)\.norm_/, 'x_block.$1.ln_'],
  [/attn\.to_add_out/, 'context_block.attn.proj'],
  [/\b(attn2?)\.to_out\.0/, 'x_block.$1.proj'],
  [/ff_context\.net\.0\.proj/, 'context_block.mlp.fc1'],
  [/ff_context\.net\.2/, 'context_block.mlp.fc2'],
  [/ff\.net\.0\.proj/, 'x_block.mlp.fc1'],
  [/ff\.net\.2/, 'x_block.mlp.fc2'],
]

/** A diffusers file of SD3 as Stability AI would have saved it. */
function asOriginal(tensors: Tensors, blocks: number, prefix: string): Tensors {
  const out: Record<string, Tensor> = {}
  for (const [name, value] of Object.entries(tensors)) {
    const fused = /^(transformer_blocks\.\d+)\.(attn2?)\.(to_q|add_q_proj)\.(\w+)$/.exec(name)
    if (fused) {
      const [, block, attn, q, leaf] = fused as unknown as string[]
      const side = q === 'to_q' ? 'x_block' : 'context_block'
      const three = ['q', 'k', 'v'].map((one) => tensors[`${block}.${attn}.${q!.replace('_q', `_${one}`)}.${leaf}`]!)
      out[`${prefix}${block!.replace('transformer', 'joint')}.${side}.${attn}.qkv.${leaf}`] = stacked(three)
    } else if (!/\.(to_[kv]|add_[kv]_proj)\./.test(name)) {
      const isSwapped = name.startsWith('norm_out') || name.startsWith(`transformer_blocks.${blocks - 1}.norm1_context`)
      const key = RENAMED.reduce((key, [from, to]) => key.replace(from, to), name)
      out[prefix + key] = isSwapped ? swapped(value) : value
    }
  }
  return out
}

describe("SD3's original single file", () => {
  it.each([
    ['sd3-a', ''],
    ['sd35-a', 'model.diffusion_model.'],
  ])('%s gives the same numbers (prefix "%s")', async (name, prefix) => {
    const dir = join(base, name)
    await cp(join(fixtures, name), dir, { recursive: true })
    const original = asOriginal(await readTensors(join(dir, WEIGHTS)), 3, prefix)
    await write(join(dir, 'original_keys.safetensors'), original)
    const results = await checkCase(dir)
    expect(results.map(({ pass, details }) => [pass, pass ? [] : details])).toEqual([
      [true, []],
      [true, []],
    ])
  })

  it('a file that fits none says what is nearest and what is missing', async () => {
    const tensors = { ...(await readTensors(join(fixtures, 'sd3-a', WEIGHTS))) }
    delete tensors['proj_out.bias']
    const folder = join(base, 'broken')
    await mkdir(folder)
    await cp(join(fixtures, 'sd3-a/config.json'), join(folder, 'config.json'))
    await write(join(folder, 'any-name.safetensors'), tensors)
    await expect(openDiffusionModel(join(folder, 'any-name.safetensors'))).rejects.toThrow(
      /no known model family.*sd3 \(diffusers keys\) fits 99 %: proj_out.bias: missing, expected \[16\]/,
    )
  })
})
