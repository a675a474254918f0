/** Modules of HunyuanVideo, Qwen-Image and FLUX.2: emitted, given back, refreshed and watched by plan, as FLUX's are. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MASS, moduleKey, type Hidden, type ModuleKey, type ModuleOutput } from '../../../diffusion/caching/contract.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { openDenoiser, type MeteredDenoiser } from '../../../diffusion/denoiser.ts'
import type { TransformerCase } from '../../../diffusion/families/parity.ts'
import { loadCaseReaders } from '../../../diffusion/families/registry.ts'
import { row, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { callAt } from '../../nodes/caching/scripted.ts'
import { fixtures } from './rekeyed.ts'

/** Both streams as one list of numbers. */
const flat = ({ image, text }: Hidden): Tensor => {
  const data = new Float32Array([...image.data, ...text!.data])
  return tensor(data, [data.length])
}

describe.each([
  ['hunyuanvideo-a', 'HunyuanVideoTransformer3DModel'],
  ['qwen-image-a', 'QwenImageTransformer2DModel'],
  ['flux2-a', 'Flux2Transformer2DModel'],
])('%s', (name, className) => {
  let opened: TransformerCase
  let metered: MeteredDenoiser
  let keys: readonly ModuleKey[]
  let depth: number

  beforeAll(async () => {
    const reader = (await loadCaseReaders()).find((one) => one.className === className)
    opened = await reader!.open(join(fixtures, name), 'diffusion_pytorch_model.safetensors')
    depth = opened.transformer.facts.depth
    keys = Array.from({ length: depth }, (_, i) => ['attn', 'mlp'].map((kind) => moduleKey(kind, i))).flat()
    const prompts = new Map([['cond', opened.conditioning(0)] as const])
    const shape = opened.latent.shape.slice(1)
    metered = await openDenoiser(opened.transformer, prompts, shape, 1, new AbortController().signal)
  })
  afterAll(() => opened.transformer.release())

  const begin = (sigma = 0.7) => {
    const call = { ...callAt(0, 10, ['cond']), sigma, timestep: 1000 * sigma, latent: row(opened.latent, 0) }
    return metered.denoiser.embed(call, 'cond')
  }

  it('a plan that runs or is given everything gives the bits of the plain run', async () => {
    const { denoiser } = metered
    const start = await begin()
    const plain = await denoiser.blocks(start, 0, depth)
    const all = await denoiser.modules(start, 0, depth, { emit: new Set(keys) })
    expect([...flat(all.hidden).data]).toEqual([...flat(plain).data])
    expect([...flat(await denoiser.blocks(start, 0, depth)).data]).toEqual([...flat(plain).data])
    for (const kind of ['attn', 'mlp']) {
      const own = keys.filter((key) => key.startsWith(kind))
      const given = new Map(own.map((key) => [key, { output: all.outputs.get(key)! }]))
      const fed = await denoiser.modules(start, 0, depth, { given })
      expect([...flat(fed.hidden).data]).toEqual([...flat(plain).data])
    }
  })

  it('each module counts: one given as zeros changes the result, and costs nothing', async () => {
    const { denoiser } = metered
    const start = await begin()
    const { hidden, outputs } = await denoiser.modules(start, 0, depth, { emit: new Set(keys) })
    for (const key of keys) {
      const { image, text } = outputs.get(key)!
      const zero = { image: { ...image, data: new Float32Array(image.data.length) }, text }
      const wrong = await denoiser.modules(start, 0, depth, { given: new Map([[key, { output: zero }]]) })
      expect([key, maxAbsDifference(flat(wrong.hidden), flat(hidden)) > 1e-4]).toEqual([key, true])
      const tokens = { image: image.shape[1]!, text: text!.shape[1]! }
      const part = { kind: 'blocks', from: 0, to: depth } as const
      const modules = { given: [key], refreshed: {}, emitted: [] }
      expect(opened.transformer.flops({ ...part, modules }, tokens)).toBeLessThan(
        opened.transformer.flops(part, tokens),
      )
    }
  })

  it('refreshes the tokens it is told to, and tells what attention they receive', async () => {
    const { denoiser } = metered
    const [one, two] = [await begin(), await begin(0.3)]
    const masses = Array.from({ length: depth }, (_, i) => moduleKey(MASS, i))
    const old = (await denoiser.modules(one, 0, depth, { emit: new Set([...keys, ...masses]) })).outputs
    const tokens = one.image.shape[1]! + one.text!.shape[1]!
    for (const key of masses) {
      const { image, text } = old.get(key)!
      expect([...image.data, ...text!.data].reduce((sum, share) => sum + share, 0)).toBeCloseTo(tokens, 3)
    }
    const refresh = [0, 3, 5]
    for (const key of keys.filter((one) => one.startsWith('mlp'))) {
      const anew = (await denoiser.modules(two, 0, depth, { emit: new Set([key]) })).outputs.get(key)!
      const plan = { given: new Map([[key, { output: old.get(key)!, refresh }]]), emit: new Set([key]) }
      const mixed = (await denoiser.modules(two, 0, depth, plan)).outputs.get(key)!
      const width = mixed.image.shape[2]!
      for (let token = 0; token < mixed.image.shape[1]!; token++) {
        const of = ({ image }: ModuleOutput) => image.data.subarray(token * width, (token + 1) * width)
        const expected = of(refresh.includes(token) ? anew : old.get(key)!)
        of(mixed).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
      }
    }
  })
})
