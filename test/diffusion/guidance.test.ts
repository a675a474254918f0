/** Several prompts in one run: combined, limited to a part of sampling, guided twice, and what caching methods see of them. */
import { describe, expect, it } from 'vitest'
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { discrete, flow, LINEAR_BETAS } from '../../diffusion/families/parametrisation.ts'
import { streamsOf } from '../../diffusion/guidance/prompts.ts'
import { normalNoise } from '../../diffusion/random.ts'
import { schedules } from '../../diffusion/registry.ts'
import { axpy, scale, tensor, type Tensor } from '../../diffusion/tensor.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../fixtures/fake-model.ts'
import { bare, cachingNodes, configured, declarationsOf, subjectOf } from '../nodes/caching/subject.ts'
import { runFake, type FakeRunOptions } from './caching/run.ts'

const [red, blue, grey] = [fakeConditioning(1), fakeConditioning(5), fakeConditioning(2)]
const shape = [1, ...FAKE_LATENT]
const limited = (start: number, end: number, prompt = red) => ({ ...prompt, range: { start, end } })

const expectClose = (actual: Tensor, expected: Tensor, digits = 4): void =>
  actual.data.forEach((value, i) => expect(value).toBeCloseTo(expected.data[i]!, digits))

/** One step to 0 gives the combined prediction itself. */
const once = async (options: FakeRunOptions): Promise<Tensor> => (await runFake({ steps: 1, ...options })).samples
const alone = (prompt: typeof red) => once({ positive: [prompt], guidance: 1 })

describe('combined prompts', () => {
  it('count as the mean of their predictions, on either side', async () => {
    const [a, b, c] = [await alone(red), await alone(blue), await alone(grey)]
    const positive = scale(axpy(a, 1, b), 0.5)
    expectClose(await once({ positive: [red, blue], guidance: 1 }), positive)
    expectClose(await once({ positive: [red, blue], negative: [grey], guidance: 3 }), axpy(scale(c, -2), 3, positive))
    const negative = scale(axpy(c, 1, b), 0.5)
    expectClose(await once({ positive: [red], negative: [grey, blue], guidance: 3 }), axpy(scale(negative, -2), 3, a))
  })

  it('are all in the report, whose totals count them', async () => {
    const { report } = await runFake({ positive: [red, blue], negative: [grey], batch: 2, steps: 3 })
    expect(report.branches).toEqual(['cond', 'uncond', 'cond'])
    expect(report.rows).toHaveLength(3 * 2 * 3)
    expect(report.rows.filter(({ stream }) => stream === 1).map(({ branch }) => branch)).toEqual(Array(6).fill('cond'))
    expect(report.computedBlocks).toBe(report.totalBlocks)
    expect(report.computedFlops).toBe(report.totalFlops)
  })
})

describe('a prompt for a part of sampling', () => {
  it('is evaluated there and nowhere else; the other one takes over', async () => {
    const seen: [number, boolean][] = []
    const transformer = fakeTransformer()
    const run = transformer.run.bind(transformer)
    transformer.run = (part, rows, shared) => {
      if (part.kind === 'embed') seen.push([rows['sigma']!.data[0]!, rows['tokens']!.data[1] === red.tokens.data[1]])
      return run(part, rows, shared)
    }
    const positive = [limited(0, 0.5), limited(0.5001, 1, blue)]
    const { report } = await runFake({ transformer, positive, guidance: 1, steps: 8 })
    expect(seen).toHaveLength(8)
    seen.forEach(([sigma, isRed]) => expect(isRed).toBe(sigma >= 0.5))
    expect(report.totalBlocks).toBe(8 * 8)
    expect(report.computedBlocks).toBe(report.totalBlocks)
  })

  it('is evaluated as if alone where its range is the whole', async () => {
    const whole = await runFake({ positive: [limited(0, 1)], guidance: 1 })
    expect(whole.samples.data).toEqual((await runFake({ positive: [red], guidance: 1 })).samples.data)
  })

  it('on the negative side leaves guidance out elsewhere', async () => {
    const sigmas = [0.4, 0]
    const unguided = await once({ positive: [red], guidance: 1, sigmas })
    expectClose(await once({ positive: [red], negative: [limited(0, 0.5, grey)], sigmas }), unguided, 6)
  })

  it('is refused where it leaves levels without any prompt', async () => {
    await expect(runFake({ positive: [limited(0.2, 1)] })).rejects.toThrow(
      /positive: no prompt applies at 4 of the levels/,
    )
  })

  it.each([
    ['flow', flow(3), (3 * 0.75) / (1 + 2 * 0.75)],
    ['betas', discrete('epsilon', LINEAR_BETAS), null],
  ] as const)('reaches the noise levels of its share (%s)', (_, parametrisation, expected) => {
    const prompts = { positive: [limited(0.25, 1)], negative: [], guidance: 1 }
    const { reach } = streamsOf(prompts, parametrisation)[0]!
    const levels = runSigmas(schedules.get('normal')!, 5, 1, parametrisation)
    expect(reach.from).toBeCloseTo(expected ?? levels[1]!, 5)
    expect(reach.to).toBe(0)
  })
})

describe('guided twice', () => {
  const given = { positive: [red], negative: [grey] }
  const second = (guidance: number, nested: boolean) => ({ prompts: [blue], guidance, nested })

  it.each([
    [3, 2, false],
    [3, 2, true],
    [3, 1, false],
    [1, 1, false],
    [1, 2, true],
    [1, 2, false],
  ])('scales %d and %d, nested %s', async (outer, inner, nested) => {
    const [p, m, n] = [await alone(red), await alone(blue), await alone(grey)]
    const at = (i: number): number => {
      const [x, y, z] = [p.data[i]!, m.data[i]!, n.data[i]!]
      return nested ? z + inner * (y + outer * (x - y) - z) : z + inner * (y - z) + outer * (x - y)
    }
    const actual = await once({ ...given, guidance: outer, second: second(inner, nested) })
    actual.data.forEach((value, i) => expect(value).toBeCloseTo(at(i), 4))
  })

  it('leaves out what counts for nothing', async () => {
    const branches = async (outer: number, inner: number, nested = false) =>
      (await runFake({ ...given, guidance: outer, second: second(inner, nested), steps: 2 })).report.branches
    expect(await branches(3, 2)).toEqual(['cond', 'uncond', 'cond'])
    expect(await branches(3, 1)).toEqual(['cond', 'cond'])
    expect(await branches(1, 2, true)).toEqual(['cond', 'uncond'])
    expect(await branches(1, 1)).toEqual(['cond'])
  })
})

describe('a mask', () => {
  const mask = tensor(Float32Array.of(1, 0, 0.5, 1, 1, 0, 0.5, 1), shape)
  const latent = normalNoise(3n, shape)

  it.each(['euler', 'heun', 'dpmpp_2m', 'uni_pc', 'euler_ancestral', 'dpmpp_sde', 'lcm'])(
    'keeps the latent where it is 0, and samples where it is 1 (%s)',
    async (samplerName) => {
      const plain = await runFake({ latent, samplerName })
      const { samples } = await runFake({ latent, mask, samplerName })
      mask.data.forEach((m, i) => {
        if (m === 0) expect(samples.data[i]).toBeCloseTo(latent.data[i]!, 5)
        else expect(Math.abs(samples.data[i]! - latent.data[i]!)).toBeGreaterThan(1e-3)
      })
      expect(samples.data).not.toEqual(plain.samples.data)
    },
  )

  it('shows the model the latent under the noise it would have, whatever the sampler has made of it', async () => {
    const [transformer, noise] = [fakeTransformer(), normalNoise(8n, shape)]
    const seen: [number, Tensor][] = []
    const run = transformer.run.bind(transformer)
    transformer.run = (part, rows, shared) => {
      if (part.kind === 'embed') seen.push([rows['sigma']!.data[0]!, rows['latent']!])
      return run(part, rows, shared)
    }
    await runFake({ transformer, latent, noise, mask, samplerName: 'lcm', guidance: 1, steps: 4 })
    expect(seen).toHaveLength(4)
    for (const [sigma, { data }] of seen)
      for (const i of [1, 5]) expect(data[i]).toBeCloseTo(sigma * noise.data[i]! + (1 - sigma) * latent.data[i]!, 5)
  })

  it('of ones changes nothing', async () => {
    const ones = tensor(new Float32Array(8).fill(1), shape)
    expectClose((await runFake({ latent, mask: ones })).samples, (await runFake({ latent })).samples, 5)
  })

  it('of another shape is refused', async () => {
    await expect(runFake({ mask: normalNoise(1n, [1, 2, 2, 3]) })).rejects.toThrow(/mask: expected the latent's shape/)
  })
})

describe('caching methods', async () => {
  const nodes = await cachingNodes()

  it.each(nodes.map((node) => [bare(node.definition.type), node] as const))(
    '%s: combined and late prompts are branches of their own, each computed first',
    async (_, node) => {
      const declaration = (await declarationsOf(node))[0]!
      const { model } = await subjectOf(node, declaration)
      const cache = await configured(node, declaration.eager)
      const positive = [red, limited(0.4, 1, blue)]
      const make = () => fakeModel(fakeTransformer(model))
      const { report, samples } = await runFake({ model: make(), positive, cache })
      const first = report.rows.find(({ stream }) => stream === 1)!
      expect(first.decision).toBe('full')
      expect(samples.data.every(Number.isFinite)).toBe(true)
      expect(report.computedBlocks).toBeLessThanOrEqual(report.totalBlocks)
    },
  )
})
