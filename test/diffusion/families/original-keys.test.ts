/** The authors' keys of PixArt and DiT: the reference's weights under them give the reference's outputs. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openCase } from '../../../diffusion/families/shared/case.ts'
import dit from '../../../diffusion/families/dit/family.ts'
import { inferDitConfig } from '../../../diffusion/families/dit/config.ts'
import { inferPixArtConfig } from '../../../diffusion/families/pixart/config.ts'
import pixart from '../../../diffusion/families/pixart/family.ts'
import { loadCaseReaders } from '../../../diffusion/families/registry.ts'
import { openWeights, readTensors } from '../../../diffusion/onnx/weights.ts'
import { concatRows, row, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { encode, prefixed, stacked, type Tensors } from './synthetic.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const WEIGHTS = 'diffusion_pytorch_model.safetensors'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'original-'))
})
afterAll(() => rm(root, { recursive: true }))

const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^transformer_blocks/, 'blocks'],
  [/attn1\.to_out\.0/, 'attn.proj'],
  [/attn2\.to_out\.0/, 'cross_attn.proj'],
  [/attn2\.to_q/, 'cross_attn.q_linear'],
  [/ff\.net\.0\.proj/, 'mlp.fc1'],
  [/ff\.net\.2/, 'mlp.fc2'],
  [/^pos_embed\.proj/, 'x_embedder.proj'],
  [/^scale_shift_table/, 'final_layer.scale_shift_table'],
  [/^proj_out_1\./, 'final_layer.adaLN_modulation.1.'],
  [/^proj_out(_2)?\./, 'final_layer.linear.'],
  [/^adaln_single\.linear/, 't_block.1'],
  [/^adaln_single\.emb\.timestep_embedder\.linear_1/, 't_embedder.mlp.0'],
  [/^adaln_single\.emb\.timestep_embedder\.linear_2/, 't_embedder.mlp.2'],
  [/^adaln_single\.emb\.resolution_embedder\.linear_1/, 'csize_embedder.mlp.0'],
  [/^adaln_single\.emb\.resolution_embedder\.linear_2/, 'csize_embedder.mlp.2'],
  [/^adaln_single\.emb\.aspect_ratio_embedder\.linear_1/, 'ar_embedder.mlp.0'],
  [/^adaln_single\.emb\.aspect_ratio_embedder\.linear_2/, 'ar_embedder.mlp.2'],
  [/^caption_projection\.linear_/, 'y_embedder.y_proj.fc'],
  [/^blocks\.\d+\.norm1\.emb\.timestep_embedder\.linear_1/, 't_embedder.mlp.0'],
  [/^blocks\.\d+\.norm1\.emb\.timestep_embedder\.linear_2/, 't_embedder.mlp.2'],
  [/^blocks\.\d+\.norm1\.emb\.class_embedder/, 'y_embedder'],
  [/norm1\.linear/, 'adaLN_modulation.1'],
]

/** A diffusers file as the authors would have saved it; what diffusers has once a block is taken from the first. */
function asOriginal(tensors: Tensors): Tensors {
  const out: Record<string, Tensor> = {}
  for (const [name, value] of Object.entries(tensors)) {
    const of = (part: string) => tensors[name.replace(/to_[qk]\b/, part)]!
    const rename = (key: string) => RENAMED.reduce((renamed, [from, to]) => renamed.replace(from, to), key)
    if (/attn1\.to_q/.test(name))
      out[rename(name).replace('attn1.to_q', 'attn.qkv')] = stacked([value, of('to_k'), of('to_v')])
    else if (/attn2\.to_k/.test(name))
      out[rename(name).replace('attn2.to_k', 'cross_attn.kv_linear')] = stacked([value, of('to_v')])
    else if (!/to_[kv]\b/.test(name)) out[rename(name)] ??= value
  }
  return out
}

const far = (a: Tensor, b: Tensor): number =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0)

/** The embedded states and those after every block of the first row, by the reference's names. */
async function states(dir: string, file: string, className: string): Promise<Readonly<Record<string, Tensor>>> {
  const reader = (await loadCaseReaders()).find((one) => one.className === className)!
  const opened = await reader.open(dir, file)
  const { transformer, latent, timestep } = opened
  const first = row(latent, 0)
  const { rows, shared } = await transformer.prepare(opened.conditioning(0), first.shape.slice(1))
  const time = { timestep: row(timestep, 0), sigma: tensor(Float32Array.of(0.5), [1]) }
  let state = await transformer.run({ kind: 'embed' }, { ...rows, ...time, latent: first }, shared)
  const found: Record<string, Tensor> = {}
  for (let i = 0; i < transformer.facts.depth; i++) {
    state = await transformer.run({ kind: 'blocks', from: i, to: i + 1 }, state, shared)
    found[`block ${i}`] = concatRows([state['image']!])
  }
  found['output'] = opened.output(await transformer.run({ kind: 'head' }, state, shared))
  await transformer.release()
  return found
}

it.each([
  ['pixart-alpha-ms-a', 'PixArtTransformer2DModel', pixart, ''],
  ['pixart-sigma-a', 'PixArtTransformer2DModel', pixart, 'model.diffusion_model.'],
  ['dit-a', 'DiTTransformer2DModel', dit, ''],
])('%s gives the same numbers under the keys of its authors', async (name, className, family, prefix) => {
  const dir = join(root, name)
  await cp(join(fixtures, name), dir, { recursive: true })
  const tensors = await readTensors(join(dir, WEIGHTS))
  // In diffusers each block has embedders of its own; the authors' are shared.
  const alike = Object.fromEntries(
    Object.entries(tensors).map(([key, value]) => [
      key,
      tensors[key.replace(/blocks\.\d+\.norm1\.emb/, 'blocks.0.norm1.emb')] ?? value,
    ]),
  )
  await writeFile(join(dir, 'alike.safetensors'), encode(alike))
  await writeFile(join(dir, 'original.safetensors'), encode(prefixed(asOriginal(alike), prefix)))
  const { transformer } = await openCase(family, dir, 'original.safetensors')
  await transformer.release()
  const [expected, got] = [
    await states(dir, 'alike.safetensors', className),
    await states(dir, 'original.safetensors', className),
  ]
  expect(Object.keys(got)).toEqual(Object.keys(expected))
  for (const key of Object.keys(expected)) expect(far(got[key]!, expected[key]!), key).toBeLessThan(1e-5)
})

it('sizes of published models are read off the shapes', async () => {
  const shape = (tensor: readonly number[]) => ({ shape: tensor })
  const weights = await openWeights(join(fixtures, 'dit-a', WEIGHTS))
  const some = [...weights.tensors.values()][0]!
  const of = (shapes: Readonly<Record<string, readonly number[]>>) =>
    new Map(Object.entries(shapes).map(([name, one]) => [name, { ...some, ...shape(one) }]))
  const pixartXl = of({
    'x_embedder.proj.weight': [1152, 4, 2, 2],
    'y_embedder.y_proj.fc1.weight': [1152, 4096],
    'final_layer.linear.bias': [32],
    'blocks.0.attn.qkv.bias': [3456],
    'blocks.0.cross_attn.q_linear.weight': [1152, 1152],
    pos_embed: [1, 4096, 1152],
  })
  expect(inferPixArtConfig(pixartXl, 'original')).toMatchObject({
    ...{ heads: 16, width: 1152, blocks: 1, outChannels: 8, textWidth: 4096, sized: false, attentionBias: true },
    grid: { base: 64, interpolation: 2 },
  })
  const ditXl = of({
    'x_embedder.proj.weight': [1152, 4, 2, 2],
    'y_embedder.embedding_table.weight': [1001, 1152],
    'final_layer.linear.bias': [32],
    'blocks.0.attn.qkv.bias': [3456],
    'blocks.0.adaLN_modulation.1.weight': [6912, 1152],
    pos_embed: [1, 1024, 1152],
  })
  expect(inferDitConfig(ditXl, 'original')).toMatchObject({
    heads: 16,
    classes: 1000,
    outChannels: 8,
    grid: { base: 32 },
  })
  expect(inferDitConfig(ditXl, 'diffusers')).toBeNull()
})
