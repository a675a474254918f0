/** Modules of the FLUX transformer on ONNX Runtime: run, given, refreshed and emitted by plan, in both ways of holding weights. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { moduleKey, type Hidden, type ModuleKey, type ModuleOutput } from '../../../diffusion/caching/contract.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { openFluxCase, type FluxCase } from '../../../diffusion/check/shared/flux-case.ts'
import { openDenoiser, type MeteredDenoiser } from '../../../diffusion/denoiser.ts'
import { parseFluxConfig } from '../../../diffusion/families/flux/config.ts'
import { locateFlux } from '../../../diffusion/families/flux/keys.ts'
import { FluxTransformer } from '../../../diffusion/families/flux/transformer.ts'
import { readJson } from '../../../diffusion/families/json.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { row, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { callAt } from '../../nodes/caching/scripted.ts'

const dir = join(import.meta.dirname, '../../fixtures/parity/flux-dev-a')
const DEPTH = 5
const KEYS: readonly ModuleKey[] = Array.from({ length: DEPTH }, (_, block) =>
  ['attn', 'mlp'].map((kind) => moduleKey(kind, block)),
).flat()

/** The fixture's model under this way of holding weights. */
async function openTransformer(mode: 'private' | 'mapped'): Promise<FluxTransformer> {
  const config = parseFluxConfig(await readJson(join(dir, 'config.json')), 'config.json')
  const { tensors } = await openWeights(join(dir, 'diffusion_pytorch_model.safetensors'))
  return new FluxTransformer({ config, weights: locateFlux(tensors, config, 'diffusers').found }, mode, mode)
}

const given = (outputs: ReadonlyMap<ModuleKey, ModuleOutput>, keys: Iterable<ModuleKey>) =>
  new Map([...keys].map((key) => [key, { output: outputs.get(key)! }]))

/** Both streams as one list of numbers. */
const flat = ({ image, text }: Hidden): Tensor => {
  const data = new Float32Array([...image.data, ...text!.data])
  return tensor(data, [data.length])
}

describe.each(['private', 'mapped'] as const)('modules, weights %s', (mode) => {
  let opened: FluxCase
  let transformer: FluxTransformer
  let metered: MeteredDenoiser
  const noise = normalNoise(3n, [2, 4, 8, 12])
  const call = (sample = 0, sigma = 0.7) => ({ ...callAt(0, 10, ['cond']), sample, sigma, latent: row(noise, sample) })

  beforeAll(async () => {
    opened = await openFluxCase(dir)
    transformer = await openTransformer(mode)
    const prompts = new Map([['cond', opened.conditioning(0)] as const])
    metered = await openDenoiser(transformer, prompts, noise.shape.slice(1), 2, new AbortController().signal)
  })
  afterAll(async () => {
    await transformer.release()
    await opened.transformer.release()
  })
  const spent = (sample = 0) => metered.takeSpent(call(sample), 'cond')

  it('a plan that runs everything is the plain run, and so is one that is given what it emitted', async () => {
    const { denoiser } = metered
    const start = await denoiser.embed(call(), 'cond')
    const plain = await denoiser.blocks(start, 0, DEPTH)
    const all = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    expect(maxAbsDifference(flat(all.hidden), flat(plain))).toBeLessThan(1e-5)
    const again = await denoiser.blocks(start, 0, DEPTH)
    if (mode === 'private') expect([...flat(all.hidden).data]).toEqual([...flat(plain).data])
    expect([...flat(again).data]).toEqual([...flat(plain).data])
    for (const keys of [
      KEYS,
      KEYS.filter((key) => key.startsWith('attn')),
      KEYS.filter((key) => key.startsWith('mlp')),
    ]) {
      const fed = await denoiser.modules(start, 0, DEPTH, { given: given(all.outputs, keys) })
      expect([...flat(fed.hidden).data]).toEqual([...flat(all.hidden).data])
    }
  })
})
