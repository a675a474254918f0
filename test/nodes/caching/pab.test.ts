/** PAB against its published control flow: which evaluations share which modules, retold step by step on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, UnmetNeedsError } from '../../../diffusion/caching/contract.ts'
import node, { pab, type PabParams } from '../../../nodes/caching/pab.ts'
import { fakeTransformer } from '../../fixtures/fake-model.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { DEPTH, eulerLoop, moduleModel, type Output } from './module-oracle.ts'

const knobs: PabParams = {
  preset: 'custom',
  enabled: true,
  attention_range: 2,
  temporal_range: 4,
  cross_range: 6,
  mlp_range: 1,
  mlp_blocks: 5,
  start: 0.15,
  end: 0.85,
}
const cacheOf = (settings: Partial<PabParams>) => configure(pab, { ...knobs, ...settings })

/** A letter an evaluation: '.' where attention is shared, 'm' where feed-forwards are too, 'C' where all is computed. */
async function letters(settings: Partial<PabParams>, steps: number): Promise<string> {
  const { report } = await runFake({ cache: cacheOf(settings), steps, guidance: 1 })
  return report.rows
    .map(({ modules }) => `${modules['attn'] === DEPTH ? 'C' : '.'}${modules['mlp'] === DEPTH ? '' : 'm'}`)
    .join('')
}

/** Euler steps in which the listed modules of listed evaluations repeat their last output. */
async function retold(steps: number, shared: (kind: 'attn' | 'mlp', block: number, i: number) => boolean) {
  const model = await moduleModel()
  const last: Record<string, Output> = {}
  return eulerLoop(steps, async (i, latent, sigma) => {
    const { rows, outputs } = await model.blocks(await model.embed(latent, sigma), (kind, block) =>
      shared(kind, block, i) ? { output: last[`${kind}.${block}`]! } : 'run',
    )
    Object.assign(last, outputs)
    return model.head(rows)
  })
}

async function expectRetold(
  settings: Partial<PabParams>,
  steps: number,
  shared: (kind: 'attn' | 'mlp', block: number, i: number) => boolean,
) {
  const { samples, report } = await runFake({ cache: cacheOf(settings), steps, guidance: 1 })
  const told = await retold(steps, shared)
  samples.data.forEach((value, i) => expect(value).toBeCloseTo(told[i]!, 5))
  const plain = await retold(steps, () => false)
  expect(Math.max(...samples.data.map((value, i) => Math.abs(value - plain[i]!)))).toBeGreaterThan(1e-4)
  for (const { evaluation, modules } of report.rows)
    for (const kind of ['attn', 'mlp'] as const) {
      const run = Array.from({ length: DEPTH }, (_, block) => !shared(kind, block, evaluation)).filter(Boolean).length
      expect([evaluation, kind, modules[kind]]).toEqual([evaluation, kind, run])
    }
}

describe('the published schedule', () => {
  it('paper: attention once in two evaluations of the middle 70 %', async () => {
    // 20 evaluations: 3 to 16 are the middle; odd ones are shared.
    expect(await letters({ preset: 'paper' }, 20)).toBe('CCC.C.C.C.C.C.C.CCCC')
    await expectRetold({ preset: 'paper' }, 20, (kind, _, i) => kind === 'attn' && i >= 3 && i < 17 && i % 2 === 1)
  })

  it('official: between timesteps 800 and 100, both left out, with the feed-forwards of five blocks', async () => {
    // 50 steps, timesteps 1000, 980, ..., 20: 780 is evaluation 11, 120 is 44; 800 is 10 and 100 is 45. 720 is 14, 640 18, 560 22, 480 26, 400 30.
    const attention = (i: number) => i % 2 === 1 && i >= 11 && i <= 44
    const feed = (i: number) => [15, 16, 19, 20, 23, 24, 27, 28, 31, 32].includes(i)
    await expectRetold({ preset: 'official' }, 50, (kind, block, i) =>
      kind === 'attn' ? attention(i) : block < 5 && feed(i),
    )
  })

  it('official: with steps between the listed timesteps, the first at or below each is computed and serves the next two', async () => {
    // 9 steps: 1000, 889, 778, 667, 556, 445, 334, 223, 112. 667, 556, 445 and 334 are firsts; 223 and 112 are served by the last of them.
    expect(await letters({ preset: 'official' }, 9)).toBe('CCC.C.C.mCm')
  })
})

describe('the knobs', () => {
  it('the window is in shares of the noise range, both ends in it', async () => {
    // Evaluation i of 20 is at progress i / 20.
    expect(await letters({ start: 0.25, end: 0.75 }, 20)).toBe('CCCCC.C.C.C.C.C.CCCC')
    expect(await letters({ start: 0, end: 1 }, 6)).toBe('C.C.C.')
  })

  it('ranges are counted from the first evaluation, whatever the window', async () => {
    expect(await letters({ attention_range: 4, start: 0.1, end: 0.9 }, 16)).toBe('CC..C...C...C..C')
    await expectRetold(
      { attention_range: 4, start: 0.1, end: 0.9 },
      16,
      (kind, _, i) => kind === 'attn' && i % 4 !== 0 && i > 1 && i < 15,
    )
  })

  it('feed-forwards of the first blocks only', async () => {
    await expectRetold(
      { attention_range: 1, mlp_range: 3, mlp_blocks: 3 },
      12,
      (kind, block, i) => kind === 'mlp' && block < 3 && i % 3 !== 0 && i > 1 && i <= 10,
    )
  })

  it('a shared output is the last computed one, times the gate of now', async () => {
    const model = await moduleModel()
    const first = await model.blocks(await model.embed([1, 2, 3, 4, 5, 6, 7, 8], 1), () => 'run')
    const same = await model.embed([1, 2, 3, 4, 5, 6, 7, 8], 1)
    const later = { ...same, time: (await model.embed([1, 2, 3, 4, 5, 6, 7, 8], 0.5))['time']! }
    const at = async (rows: typeof same) => [
      ...(await model.blocks(rows, (kind, block) => ({ output: first.outputs[`${kind}.${block}`]! }))).rows['image']!
        .data,
    ]
    expect(await at(same)).toEqual([...first.rows['image']!.data])
    expect(await at(later)).not.toEqual(await at(same))
  })
})

describe('refusals', () => {
  it('a model whose modules cannot be told apart', async () => {
    const transformer = fakeTransformer({ modules: [] })
    await expect(runFake({ cache: cacheOf({}), transformer })).rejects.toThrow(/PAB needs 'attn' outputs/)
    expect(transformer.runs).toEqual([])
  })

  it('ranges that concern kinds of attention the model has not', () => {
    const { facts } = fakeTransformer()
    expect(() => cacheOf({ attention_range: 1 }).bind(facts)).toThrow(UnmetNeedsError)
    expect(() => cacheOf({ attention_range: 1 }).bind(facts)).toThrow(/modules are attn, mlp. Raise/)
    expect(() => cacheOf({ attention_range: 1, mlp_range: 2 }).bind(facts)).not.toThrow()
  })

  it('a window that ends before it starts', () => {
    expect(node.validate?.({ start: 0.9, end: 0.2 })).toHaveProperty('end')
  })
})

describe('what the papers leave open', () => {
  it('an output that is not finite is not shared', async () => {
    const transformer = fakeTransformer()
    const { run } = transformer
    let evaluation = -1
    transformer.run = async (part, rows, shared) => {
      if (part.kind === 'embed') evaluation++
      const out = await run(part, rows, shared)
      const name = 'attn.3.image'
      return evaluation === 4 && out[name]
        ? { ...out, [name]: { ...out[name], data: out[name].data.map(() => NaN) } }
        : out
    }
    const { report } = await runFake({ cache: cacheOf({}), steps: 12, guidance: 1, transformer })
    expect(report.rows[4]!.modules['attn']).toBe(DEPTH)
    expect(report.rows[5]!.modules['attn']).toBe(1)
    expect(report.rows[7]!.modules['attn']).toBe(0)
  })

  it('a branch that sat an evaluation out computes', async () => {
    const { facts } = fakeTransformer()
    const evaluate = cacheOf({ start: 0, end: 1 }).bind(facts)()
    const asked: string[] = []
    const tokens = { data: new Float32Array(4), shape: [1, 2, 2] }
    const hidden = { image: tokens, text: null, context: null }
    const denoiser = {
      facts,
      embed: () => Promise.resolve(hidden),
      modules: (
        _: unknown,
        __: number,
        ___: number,
        { given, emit }: { given?: ReadonlyMap<string, unknown>; emit?: ReadonlySet<string> },
      ) => {
        asked.push(String(given?.size))
        return Promise.resolve({ hidden, outputs: new Map([...(emit ?? [])].map((key) => [key, hidden])) })
      },
      head: () => Promise.resolve(tokens),
    }
    const base = {
      total: 8,
      sigma: 0.5,
      timestep: 500,
      sigmas: [1, 0],
      guidance: 3,
      progress: 0.5,
      latent: tokens,
      sample: 0,
    }
    for (const [index, branches] of [
      [0, ['cond', 'uncond']],
      [1, ['cond']],
      [3, ['cond', 'uncond']],
    ] as const)
      await evaluate({ ...base, index, branches }, denoiser as never)
    expect(asked).toEqual(['0', '0', '8', '0', '0'])
  })
})
