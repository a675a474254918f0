/** Modules of the FLUX transformer on ONNX Runtime: run, given, refreshed and emitted by plan, in both ways of holding weights. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  MASS,
  moduleKey,
  type GivenModule,
  type Hidden,
  type ModuleKey,
  type ModuleOutput,
} from '../../../diffusion/caching/contract.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { openFluxCase, type FluxCase } from '../../../diffusion/check/shared/flux-case.ts'
import { openDenoiser, type MeteredDenoiser } from '../../../diffusion/denoiser.ts'
import { parseFluxConfig } from '../../../diffusion/families/flux/config.ts'
import { locateFlux } from '../../../diffusion/families/flux/keys.ts'
import { FluxTransformer } from '../../../diffusion/families/flux/transformer.ts'
import { readJson } from '../../../diffusion/families/json.ts'
import { openWeights, readTensor } from '../../../diffusion/onnx/weights.ts'
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

  it('answers each module from its own output: one given wrongly changes the result', async () => {
    const { denoiser } = metered
    const start = await denoiser.embed(call(), 'cond')
    const { hidden, outputs } = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    for (const key of KEYS) {
      const { image, text } = outputs.get(key)!
      const zero = { image: { ...image, data: new Float32Array(image.data.length) }, text }
      const wrong = await denoiser.modules(start, 0, DEPTH, { given: new Map([[key, { output: zero }]]) })
      expect([key, maxAbsDifference(flat(wrong.hidden), flat(hidden))]).toEqual([
        key,
        expect.toSatisfy((d) => d > 1e-4),
      ])
    }
  })

  it('refreshes just the tokens it is told to, and emits the mixture', async () => {
    const { denoiser } = metered
    const [one, two] = [await denoiser.embed(call(), 'cond'), await denoiser.embed(call(1, 0.4), 'cond')]
    const old = (await denoiser.modules(one, 0, DEPTH, { emit: new Set(KEYS) })).outputs
    for (const key of KEYS.filter((name) => name.startsWith('mlp'))) {
      const anew = (await denoiser.modules(two, 0, DEPTH, { emit: new Set([key]) })).outputs.get(key)!
      const refresh = [1, 4, 5, 23]
      const plan = { given: new Map([[key, { output: old.get(key)!, refresh }]]), emit: new Set([key]) }
      const { outputs } = await denoiser.modules(two, 0, DEPTH, plan)
      const [mixed, stale] = [outputs.get(key)!, old.get(key)!]
      const width = mixed.image.shape[2]!
      for (let token = 0; token < 24; token++) {
        const of = ({ image }: ModuleOutput) => image.data.subarray(token * width, (token + 1) * width)
        const expected = refresh.includes(token) ? anew : stale
        of(mixed).forEach((value, i) => expect(value).toBeCloseTo(of(expected)[i]!, 5))
      }
      expect([...mixed.text!.data]).toEqual([...stale.text!.data])
    }
  })

  it('rows with one plan run as one batch, with other plans apart; each gets what it gets alone', async () => {
    const { denoiser } = metered
    const starts = await Promise.all([0, 1].map((sample) => denoiser.embed(call(sample), 'cond')))
    const emit = new Set(KEYS)
    const emitted = await Promise.all(starts.map((start) => denoiser.modules(start, 0, DEPTH, { emit })))
    const plans = emitted.map(({ outputs }, sample) => {
      const plan = new Map(given(outputs, ['attn.0', 'mlp.3']))
      return plan.set('mlp.1', { output: outputs.get('mlp.1')!, refresh: [sample, 7 + sample] } as {
        output: ModuleOutput
      })
    })
    const run = (sample: number) => denoiser.modules(starts[sample]!, 0, DEPTH, { given: plans[sample]!, emit })
    const together = await Promise.all([run(0), run(1)])
    for (const sample of [0, 1]) {
      const alone = await run(sample)
      expect(maxAbsDifference(flat(together[sample]!.hidden), flat(alone.hidden))).toBeLessThan(1e-5)
      for (const key of KEYS) {
        const [a, b] = [together[sample]!.outputs.get(key)!, alone.outputs.get(key)!]
        expect(maxAbsDifference(a.image, b.image)).toBeLessThan(1e-5)
        expect(maxAbsDifference(a.text!, b.text!)).toBeLessThan(1e-5)
      }
    }
  })

  it('works over any range, also across cuts that others made', async () => {
    const { denoiser } = metered
    const start = await denoiser.embed(call(), 'cond')
    const { hidden, outputs } = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    const middle = await denoiser.blocks(start, 0, 1)
    const plan = { given: given(outputs, ['attn.1', 'mlp.2', 'attn.4']), emit: new Set<ModuleKey>(['mlp.3']) }
    const rest = await denoiser.modules(middle, 1, DEPTH, plan)
    expect(maxAbsDifference(flat(rest.hidden), flat(hidden))).toBeLessThan(1e-5)
    expect(maxAbsDifference(rest.outputs.get('mlp.3')!.image, outputs.get('mlp.3')!.image)).toBeLessThan(1e-5)
  })

  it('textless plans give the image the same bits, no text, and are refused where attention would miss it', async () => {
    const { denoiser } = metered
    const starts = await Promise.all([0, 1].map((sample) => denoiser.embed(call(sample), 'cond')))
    const [start] = starts as [Hidden]
    const all = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    const textless = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS), textless: true })
    expect([...flat(textless.hidden).data]).toEqual([...flat(all.hidden).data])
    for (const key of KEYS)
      expect([[...textless.outputs.get(key)!.image.data], textless.outputs.get(key)!.text]).toEqual([
        [...all.outputs.get(key)!.image.data],
        null,
      ])
    for (const refresh of [null, [1, 4, 23]]) {
      const planOf = (outputs: ReadonlyMap<ModuleKey, ModuleOutput>) => {
        const taken: Map<ModuleKey, GivenModule> = given(outputs, KEYS)
        if (refresh) taken.set('mlp.1', { output: outputs.get('mlp.1')!, refresh })
        return { given: taken, emit: new Set<ModuleKey>(refresh ? ['mlp.1'] : []) }
      }
      const full = starts.map((one) => denoiser.modules(one, 0, DEPTH, planOf(all.outputs)))
      const lean = starts.map((one) => denoiser.modules(one, 0, DEPTH, { ...planOf(textless.outputs), textless: true }))
      for (const sample of [0, 1]) {
        const [a, b] = [await full[sample]!, await lean[sample]!]
        expect([...b.hidden.image.data]).toEqual([...a.hidden.image.data])
        expect(b.outputs.get('mlp.1')?.image.data).toEqual(a.outputs.get('mlp.1')?.image.data)
      }
    }
    const plan = { given: given(textless.outputs, ['mlp.0', 'attn.1', 'attn.2', 'attn.4']), textless: true }
    await expect(denoiser.modules(start, 0, DEPTH, plan)).rejects.toThrow(
      "module plan: 'attn.3': looks at text, which a textless plan leaves out",
    )
  })

  it('counts modules, blocks and operations as they were run', async () => {
    const { denoiser } = metered
    const counted = async (run: (start: Hidden) => Promise<unknown>) => {
      metered.takeSpent(call(), 'cond')
      await run(await denoiser.embed(call(), 'cond'))
      return metered.takeSpent(call(), 'cond')
    }
    const start = await denoiser.embed(call(), 'cond')
    const { outputs } = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    const attn = KEYS.filter((key) => key.startsWith('attn'))
    const few = new Map([['mlp.1', { output: outputs.get('mlp.1')!, refresh: [2, 3] }] as const])
    const plain = await counted((state) => denoiser.blocks(state, 0, DEPTH))
    const partial = await counted((state) => denoiser.modules(state, 0, DEPTH, { given: given(outputs, attn) }))
    const refreshed = await counted((state) => denoiser.modules(state, 0, DEPTH, { given: few }))
    expect(plain).toMatchObject({ blocks: DEPTH, modules: { attn: DEPTH, mlp: DEPTH } })
    expect(partial).toMatchObject({ blocks: DEPTH / 2, modules: { attn: 0, mlp: DEPTH } })
    const [width, tokens] = [start.image.shape[2]!, start.image.shape[1]! + start.text!.shape[1]!]
    // Four projections of the width, scores and their sums.
    expect(plain.flops - partial.flops).toBe(DEPTH * (8 * tokens * width * width + 4 * tokens * tokens * width))
    expect(refreshed.modules['mlp']).toBeCloseTo(DEPTH - 1 + 2 / tokens, 12)
    expect(plain.flops - refreshed.flops).toBe(16 * (tokens - 2) * width * width)
  })

  it('tells what tokens receive of attention: in all, one share of every query', async () => {
    const { denoiser } = metered
    const masses = [0, 1, 2, 3, 4].map((block) => moduleKey(MASS, block))
    const starts = await Promise.all([0, 1].map((sample) => denoiser.embed(call(sample), 'cond')))
    const plain = await denoiser.modules(starts[0]!, 0, DEPTH, {})
    const runs = await Promise.all(starts.map((start) => denoiser.modules(start, 0, DEPTH, { emit: new Set(masses) })))
    expect(maxAbsDifference(flat(runs[0]!.hidden), flat(plain.hidden))).toBeLessThan(1e-5)
    for (const { outputs } of runs)
      for (const key of masses) {
        const { image, text } = outputs.get(key)!
        const values = [...image.data, ...text!.data]
        expect([image.shape, text!.shape]).toEqual([
          [1, 24],
          [1, starts[0]!.text!.shape[1]],
        ])
        expect(Math.min(...values)).toBeGreaterThan(0)
        expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(values.length, 3)
        expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(1e-3)
      }
    const attn = given((await denoiser.modules(starts[0]!, 0, DEPTH, { emit: new Set(KEYS) })).outputs, ['attn.2'])
    await expect(denoiser.modules(starts[0]!, 0, DEPTH, { given: attn, emit: new Set(masses) })).rejects.toThrow(
      /'mass.2': the attention of this block is given, not run/,
    )
  })

  it('names every fault of a plan at once', async () => {
    const { denoiser } = metered
    const start = await denoiser.embed(call(), 'cond')
    const { outputs } = await denoiser.modules(start, 0, DEPTH, { emit: new Set(KEYS) })
    const output = outputs.get('mlp.1')!
    const plan = {
      given: new Map([['mlp.1', { output, refresh: [3, 2] }] as const]),
      emit: new Set<ModuleKey>(['norm.1', 'attn.9']),
    }
    await expect(denoiser.modules(start, 0, DEPTH, plan)).rejects.toThrow(
      /'norm.1': this model has modules attn, mlp.*'attn.9': outside blocks 0 to 5.*'mlp.1': tokens to refresh must rise, from 0 to below 24/,
    )
    const attn = { given: new Map([['attn.1', { output, refresh: [2] }] as const]) }
    await expect(denoiser.modules(start, 0, DEPTH, attn)).rejects.toThrow(/'attn.1'.*one token at a time/)
  })
})

describe('the modulated input of the first block', () => {
  it('is what norm, scale and shift of the block give, and temb is passed on', async () => {
    const opened = await openFluxCase(dir)
    const transformer = await openTransformer('private')
    const { denoiser, takeSpent } = await openDenoiser(
      transformer,
      new Map([['cond', opened.conditioning(0)] as const]),
      [4, 8, 12],
      1,
      new AbortController().signal,
    )
    const call = { ...callAt(0, 10, ['cond']), latent: normalNoise(3n, [1, 4, 8, 12]) }
    const start = await denoiser.embed(call, 'cond')
    const [modulated, temb] = [await denoiser.tap(start, 'modulated'), await denoiser.tap(start, 'temb')]
    const width = start.image.shape[2]!
    const stored = await openWeights(join(dir, 'diffusion_pytorch_model.safetensors'))
    const read = async (kind: string) =>
      (await readTensor(stored.tensors.get(`transformer_blocks.0.norm1.linear.${kind}`)!)).data
    const [weight, bias] = [await read('weight'), await read('bias')]
    const active = temb.data.map((value) => value / (1 + Math.exp(-value)))
    const line = (at: number) => bias[at]! + active.reduce((sum, value, i) => sum + value * weight[at * width + i]!, 0)
    for (const token of [0, 7, 23]) {
      const values = [...start.image.data.subarray(token * width, (token + 1) * width)]
      const mean = values.reduce((sum, value) => sum + value, 0) / width
      const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width + 1e-6)
      for (const i of [0, 5, width - 1])
        expect(modulated.data[token * width + i]).toBeCloseTo(
          ((values[i]! - mean) / spread) * (1 + line(width + i)) + line(i),
          4,
        )
    }
    expect(takeSpent(call, 'cond')).toMatchObject({ blocks: 0 })
    await expect(denoiser.tap(start, 'nothing')).rejects.toThrow(/no tap 'nothing'; it has modulated, temb/)
    await transformer.release()
    await opened.transformer.release()
  })
})
