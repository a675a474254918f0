/** ProfilingDiT: the released lists, a trace by hand, a retelling of its loop on the fake model, and the profiler node. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure, type Hidden } from '../../../diffusion/caching/contract.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import node, { profilingdit, scheduled, type ProfilingDiTParams } from '../../../nodes/caching/profilingdit.ts'
import profiler from '../../../nodes/measuring/profile-blocks.ts'
import { fakeConditioning, fakeModel, fakeTransformer, FAKE_LATENT } from '../../fixtures/fake-model.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { expectSame, minus, plus, retold, type Told } from './oracle.ts'
import { firsts, letters, playOn, stack } from './stack.ts'

const knobs: ProfilingDiTParams = {
  preset: 'custom',
  enabled: true,
  blocks: '1,3-4',
  share: 0.65,
  interval: 6,
  last_interval: 6,
  warm_up: 0.12,
  force_last: false,
  start: 0,
  end: 1,
}
const at = (settings: Partial<ProfilingDiTParams>) => configure(profilingdit, { ...knobs, ...settings })
/** Block b at evaluation i adds (b + 1)(i + 1). */
const ladder = (depth = 5) => stack({ depth, adds: ({ block, index }) => (block + 1) * (index + 1) })

describe('the schedule', () => {
  it('is a list, an interval, or an interval that shrinks', () => {
    expect(scheduled([6, 18], 6, 50)).toEqual([6, 18])
    expect(scheduled({ first: 6, last: 6 }, 6, 50)).toEqual([6, 12, 18, 24, 30, 36, 42, 48])
    // T(s) = 12 - 10 (s - 6) / 44, rounded: 12, 9, 7, 6, 4, 3, 3.
    expect(scheduled({ first: 12, last: 2 }, 6, 50)).toEqual([6, 18, 27, 34, 40, 44, 47])
  })
})

describe('the loop', () => {
  it('adds what each run of blocks added at the last full evaluation', async () => {
    const { answers, ran } = await playOn(ladder(), at({ warm_up: 0.12 }), 8, { total: 50 })
    expect(letters(answers)).toBe('FFFFFFFp')
    expect(answers.map(({ trace }) => trace.forced)).toEqual([
      'first',
      ...Array<string>(5).fill('warm-up'),
      undefined,
      undefined,
    ])
    // At 6: 7, 21, 42, 70, 105, so block 1 added 14 and blocks 3 to 4 63. At 7: 8, +14, +24, +63.
    expect(firsts(answers).slice(6)).toEqual([105, 109])
    expect(ran.slice(0, 6)).toEqual(Array(6).fill('0-5'))
    expect(ran.slice(6)).toEqual(['0-1', '1-2', '2-3', '3-5', '5-5', '0-1', '2-3', '5-5'])
  })

  it('what is reused is renewed at each scheduled evaluation, and only there', async () => {
    const { answers } = await playOn(ladder(), at({ warm_up: 0.1, interval: 3, last_interval: 3 }), 10)
    expect(letters(answers)).toBe('FFppFppFpp')
    const reused = (of: number, now: number) => (2 + 9) * (of + 1) + (1 + 3) * (now + 1)
    expect(firsts(answers)).toEqual([
      15,
      30,
      reused(1, 2),
      reused(1, 3),
      75,
      reused(4, 5),
      reused(4, 6),
      120,
      reused(7, 8),
      reused(7, 9),
    ])
  })

  it('a run that begins at the first block is taken from the embedding', async () => {
    const { answers } = await playOn(ladder(), at({ blocks: '0-1', warm_up: 0, interval: 3, last_interval: 3 }), 3)
    expect(firsts(answers)).toEqual([15, 3 + 24, 3 + 36])
  })

  it('the last evaluation is full where told, and the interval may shrink', async () => {
    const settings = { warm_up: 0, interval: 4, last_interval: 1 }
    expect(letters((await playOn(ladder(), at(settings), 12)).answers)).toBe('FpppFppFpFpF')
    expect(
      letters(
        (await playOn(ladder(), at({ ...settings, interval: 9, last_interval: 9, force_last: true }), 6)).answers,
      ),
    ).toBe('FppppF')
  })
})

describe('the released settings', () => {
  const full = async (preset: ProfilingDiTParams['preset'], depth: number, block: number) => {
    const { answers, ran } = await playOn(ladder(depth), at({ preset }), 50)
    const evaluations: number[][] = [[]]
    for (const range of ran) {
      const [from, to] = range.split('-').map(Number) as [number, number]
      for (let b = from; b < to; b++) evaluations.at(-1)!.push(b)
      if (to === depth) evaluations.push([])
    }
    expect(answers).toHaveLength(50)
    const share = evaluations.flat().length / (50 * depth)
    return { share, at: evaluations.flatMap((blocks, i) => (blocks.includes(block) && i >= 6 ? [i] : [])) }
  }

  it('Wan 2.1: half of the block runs, every sixth evaluation', async () => {
    const { share, at: steps } = await full('official-wan', 40, 10)
    expect(steps).toEqual([6, 12, 18, 24, 30, 36, 42, 48])
    expect(share).toBeCloseTo(0.496, 3)
  })

  it('HunyuanVideo: two schedules, 54.4 % of the block runs', async () => {
    expect((await full('official-hunyuan', 60, 12)).at).toEqual([6, 12, 18, 24, 30, 36, 42, 48])
    const single = await full('official-hunyuan', 60, 35)
    expect(single.at).toEqual([6, 18, 26, 32, 38, 42, 46, 48])
    expect(single.share).toBeCloseTo(0.544, 3)
    expect((await full('official-hunyuan', 60, 21)).at).toHaveLength(44)
  })
})

describe('auto', () => {
  it('measures during the warm-up and reuses the most stable blocks', async () => {
    // Blocks 1 and 3 add the same every time.
    const model = stack({ depth: 5, adds: ({ block, index }) => (block === 1 || block === 3 ? 5 : 2 ** index) })
    const { answers, ran } = await playOn(
      model,
      at({ blocks: 'auto', share: 0.4, warm_up: 0.4, interval: 4, last_interval: 4 }),
      10,
    )
    expect(letters(answers)).toBe('FFFFFpppFp')
    expect(ran.slice(-3)).toEqual(['0-1', '2-3', '4-5'])
    expect(ran.filter((range) => range === '1-2')).toHaveLength(6)
    expect(firsts(answers)[5]).toBe(3 * 32 + 10)
  })

  it('goes on measuring where the warm-up is too short for it', async () => {
    const { answers } = await playOn(ladder(), at({ blocks: 'auto', warm_up: 0 }), 6, { total: 30 })
    expect(letters(answers)).toBe('FFFFpp')
    expect(answers.map(({ trace }) => trace.forced)).toEqual([
      'first',
      'warm-up',
      'warm-up',
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('a retelling on the fake model', () => {
  const told = (runs: readonly (readonly [number, number])[], s0: number, interval: number) =>
    retold(() => {
      const kept: (readonly [number[], number[]])[] = []
      return async ({ i, embed, blocks }): Promise<Told> => {
        let x: Hidden = await embed()
        if (i < s0) return { out: await blocks(x, 0, 8), decision: 'full' }
        const full = (i - s0) % interval === 0
        for (let l = 0; l < 8;) {
          const run = runs.findIndex(([from]) => from === l)
          if (run < 0) x = await blocks(x, l, ++l)
          else {
            const before = x
            l = runs[run]![1]
            if (full) {
              x = await blocks(x, runs[run]![0], l)
              kept[run] = minus(x, before)
            } else x = plus(x, kept[run]!)
          }
        }
        return { out: x, decision: full ? 'full' : 'partial' }
      }
    })

  it.each([
    [
      '2-3,5',
      [
        [2, 4],
        [5, 6],
      ],
      5,
    ],
    [
      '0-1,6-7',
      [
        [0, 2],
        [6, 8],
      ],
      4,
    ],
    [
      '1,3,5',
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      5,
    ],
  ] as const)('blocks %s', async (blocks, runs, computed) => {
    const rows = await expectSame(at({ blocks, warm_up: 0.2, interval: 4, last_interval: 4 }), told(runs, 3, 4))
    expect(new Set(rows)).toEqual(new Set(['full 8', `partial ${computed}`]))
  })
})

describe('what it refuses', () => {
  it('blocks that the model does not have, and lists for other models', () => {
    const { facts } = ladder()
    expect(() => at({ blocks: '3-5' }).bind(facts)).toThrow(/from 0 to 4.*'3-5'/)
    expect(() => at({ blocks: '' }).bind(facts)).toThrow(/ProfileBlocks/)
    expect(() => at({ preset: 'official-wan' }).bind(facts)).toThrow(/model of 40.*has 5/)
    expect(() => at({ preset: 'official-wan', enabled: false }).bind(facts)).not.toThrow()
    expect(node.validate?.({ blocks: '3-1' })).toHaveProperty('blocks')
    expect(node.validate?.({ blocks: 'auto', start: 0.2, end: 0.1 })).toHaveProperty('end')
    expect(node.validate?.({ blocks: '1-3', start: 0, end: 1 })).toBeUndefined()
  })
})

describe('ProfileBlocks', () => {
  it('names the most stable blocks of a plain run, and gives its picture', async () => {
    const model = fakeModel(fakeTransformer())
    const values = {
      model,
      seed: 1n,
      steps: 6,
      cfg: 3,
      sampler_name: 'euler',
      scheduler: 'simple',
      positive: [fakeConditioning(1)],
      negative: [fakeConditioning(2)],
      latent_image: { samples: zeros([1, ...FAKE_LATENT]) },
      denoise: 1,
      share: 0.5,
    }
    const produced = await profiler.run(values, context(tmpdir()))
    const plain = await runFake({ steps: 6 })
    expect(produced.LATENT.samples.data).toEqual(plain.samples.data)
    expect(produced.blocks).toMatch(/^\d(-\d)?(,\d(-\d)?)*$/)
    const cached = await runFake({ cache: at({ blocks: produced.blocks, interval: 2, last_interval: 2 }) })
    expect(cached.report.computedBlocks).toBeLessThan(cached.report.totalBlocks)
    await expect(async () => profiler.run({ ...values, steps: 1 }, context(tmpdir()))).rejects.toThrow(
      /at least 2 steps/,
    )
  })
})
