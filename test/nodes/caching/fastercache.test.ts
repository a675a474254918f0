/** FasterCache against its published control flow: schedules, weights and boosts by hand, and a retelling on the fake model. */
import { describe, expect, it } from 'vitest'
import type { Branch } from '../../../diffusion/caching/contract.ts'
import node from '../../../nodes/caching/fastercache.ts'
import { SCRIPTS } from '../../../nodes/caching/tables/fastercache.ts'
import { fakeTransformer } from '../../fixtures/fake-model.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { fasterCacheWith as cacheOf } from './played.ts'
import { callAt } from './scripted.ts'
import { BLOCKS, DEPTH, eulerLoop, fakeSigmas, moduleModel, type Output } from './module-oracle.ts'

/** Numbers of the script (from 1) at which a rule holds, in a run as long as the script's. */
const holds = (steps: number, rule: (call: ReturnType<typeof callAt>) => boolean, first = 1): number[] =>
  Array.from({ length: steps }, (_, index) => index).flatMap((index) =>
    rule(callAt(index, steps)) ? [index + first] : [],
  )

describe('the released schedules', () => {
  it('CogVideoX: 26 of 50 steps run one branch, 17 reuse attention, none after a branch came back', async () => {
    const { report } = await runFake({ cache: cacheOf({ preset: 'official' }), steps: 50 })
    const cond = report.rows.filter(({ branch }) => branch === 'cond')
    const uncond = report.rows.filter(({ branch }) => branch === 'uncond')
    const numbers = (rows: typeof cond, keep: (row: (typeof cond)[number]) => boolean) =>
      rows.filter(keep).map(({ evaluation }) => evaluation + 1)
    expect(numbers(cond, ({ modules }) => modules['attn'] === 0)).toEqual([
      19, 22, 23, 26, 28, 29, 31, 32, 34, 37, 38, 41, 43, 44, 46, 47, 49,
    ])
    const single = numbers(uncond, ({ decision }) => decision === 'skipped')
    expect(single).toHaveLength(26)
    expect(single.slice(0, 6)).toEqual([18, 19, 21, 22, 23, 24])
    expect(uncond.find(({ evaluation }) => evaluation === 17)).toMatchObject({ blocks: 0, flops: 0, modules: {} })
  })

  it.each([
    ['official-open-sora', 30, [12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24, 26, 27, 28, 29], 1],
    ['official-latte', 50, [18, 19, 21, 22, 23, 24], 1],
    ['official-vchitect', 100, [31, 32, 33, 34, 36, 37], 1],
    ['official-open-sora-plan', 150, [40, 41, 43, 44, 45, 46], 1],
    ['official-mochi', 64, [22, 23, 24, 26, 27, 28], 0],
  ] as const)('%s: one branch at %j of %i steps ...', (preset, steps, expected, first) => {
    expect(holds(steps, SCRIPTS[preset].skipsUncond, first).slice(0, expected.length)).toEqual(expected)
  })

  it.each([
    ['official-open-sora', 30, [8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30], 1],
    ['official-latte', 50, [16, 18, 20, 22], 1],
    ['official-vchitect', 100, [32, 34, 36], 1],
    ['official-open-sora-plan', 150, [46, 47, 49, 50], 1],
    ['official-mochi', 64, [20, 22, 24], 0],
    ['official', 50, [19, 20, 22, 23, 25], 1],
  ] as const)('%s: attention may be reused at, of %i steps, %j ...', (preset, steps, expected, first) => {
    expect(holds(steps, SCRIPTS[preset].reusesAttention, first).slice(0, expected.length)).toEqual(expected)
  })

  it('Open-Sora: weights grow from 0.045 at step 8 to 1.035 at step 30', () => {
    const weight = (k: number) => SCRIPTS['official-open-sora'].weight(callAt(k - 1, 30))
    expect(weight(8)).toBeCloseTo(0.045, 12)
    expect(weight(20)).toBeCloseTo(0.585, 12)
    expect(weight(30)).toBeCloseTo(1.035, 12)
  })

  it('the paper: weights grow from above 0 to 1 and factors are 1.2, low first, then high', () => {
    const { weight, boost, reusesAttention } = SCRIPTS.paper
    expect(weight(callAt(7, 30))).toBeCloseTo(1 / 23, 12)
    expect(weight(callAt(29, 30))).toBe(1)
    expect([14, 15].map((i) => boost(callAt(i, 30)))).toEqual([
      { low: 1.2, high: 1 },
      { low: 1, high: 1.2 },
    ])
    expect(holds(30, reusesAttention)).toEqual([8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30])
  })

  it('Mochi: attention goes on by at least a half', () => {
    const { weight } = SCRIPTS['official-mochi']
    expect([weight(callAt(20, 64)), weight(callAt(62, 64))]).toEqual([0.5, 62 / 63])
  })

  it('in a run of another length the steps are stretched, the intervals are not', () => {
    expect(holds(25, SCRIPTS.official.skipsUncond).slice(0, 5)).toEqual([9, 11, 12, 13, 14])
  })

  it('diffusers: timesteps decide, and attention is reused only while one branch runs', async () => {
    const cache = cacheOf({ preset: 'official-diffusers' })
    const { report } = await runFake({ cache, steps: 20 })
    const shared = report.rows.filter(({ branch, modules }) => branch === 'cond' && modules['attn'] === 0)
    // Timesteps 1000, 950, ...: below 641 from evaluation 8 on, which may run one branch but at 10 and 15.
    expect(shared.map(({ evaluation }) => evaluation)).toEqual([9, 11, 13, 17, 19])
    const single = report.rows.filter(({ decision, branch }) => branch === 'uncond' && decision === 'skipped')
    expect(single.map(({ evaluation }) => evaluation)).toEqual([8, 9, 11, 12, 13, 14, 16, 17, 18, 19])
  })
})

/** FasterCache as the notes tell it, for one of the released schedules. */
async function retold(
  steps: number,
  guidance: number,
  attn: (k: number) => boolean,
  single: (k: number) => boolean,
  w: number,
  a: (k: number) => number,
  b: (k: number) => number,
) {
  const models = { cond: await moduleModel('cond'), uncond: await moduleModel('uncond') }
  const pairs: Record<Branch, { P: Record<string, Output>; Q: Record<string, Output> } | null> = {
    cond: null,
    uncond: null,
  }
  let [difference, alone]: [readonly number[] | null, boolean] = [null, false]
  let [la, hb] = [1, 1]
  return eulerLoop(steps, async (i, latent, sigma) => {
    const k = i + 1
    const skip = difference !== null && single(k)
    const reuse = attn(k) && pairs.cond !== null && (skip || !alone)
    const predict = async (branch: Branch) => {
      const model = models[branch]
      const pair = pairs[branch]
      const { rows, outputs } = await model.blocks(await model.embed(latent, sigma), (kind, block) => {
        if (kind !== 'attn' || !reuse || !pair) return 'run'
        const [P, Q] = [pair.P[`attn.${block}`]!, pair.Q[`attn.${block}`]!]
        const on = (p: readonly number[], q: readonly number[]) => q.map((value, n) => value + w * (value - p[n]!))
        return { output: { image: on(P.image, Q.image), text: on(P.text, Q.text) } }
      })
      if (!reuse) pairs[branch] = { P: pair ? pair.Q : outputs, Q: outputs }
      return model.head(rows)
    }
    const cond = await predict('cond')
    let uncond: readonly number[]
    if (skip) {
      la *= a(k)
      hb *= b(k)
      // 2 x 2 places: the constant of each channel is its low part.
      uncond = cond.map((value, n) => {
        const channel = difference!.slice(n - (n % 4), n - (n % 4) + 4)
        const low = channel.reduce((sum, one) => sum + one, 0) / 4
        return value + la * low + hb * (difference![n]! - low)
      })
    } else {
      uncond = await predict('uncond')
      difference = uncond.map((value, n) => value - cond[n]!)
      la = hb = 1
    }
    alone = skip
    return cond.map((value, n) => uncond[n]! + guidance * (value - uncond[n]!))
  })
}

describe('retold on the fake model', () => {
  it.each([
    [
      'official',
      50,
      (k: number) => k >= 18 && k % 3 !== 0,
      (k: number) => k >= 18 && k % 5 !== 0,
      0.3,
      (k: number) => (k <= 40 ? 1.1 : 1),
      (k: number) => (k >= 30 ? 1.1 : 1),
    ],
    [
      'official-latte',
      50,
      (k: number) => k >= 16 && k % 2 === 0,
      (k: number) => k >= 18 && k % 5 !== 0,
      0.5,
      (k: number) => (k < 45 ? 1.1 : 1),
      (k: number) => (k < 45 ? 1 : 1.1),
    ],
  ] as const)('%s: %i steps with guidance', async (preset, steps, attn, single, w, a, b) => {
    const { samples } = await runFake({ cache: cacheOf({ preset }), steps, guidance: 3 })
    const told = await retold(steps, 3, attn, single, w, a, b)
    samples.data.forEach((value, i) => expect(value).toBeCloseTo(told[i]!, 4))
    const plain = await runFake({ steps, guidance: 3 })
    expect(Math.max(...samples.data.map((value, i) => Math.abs(value - plain.samples.data[i]!)))).toBeGreaterThan(5e-3)
  })
})

describe('what it needs and says', () => {
  it('the unconditional part alone runs on any model, attention needs its modules', async () => {
    const transformer = fakeTransformer({ modules: [], cuts: [] })
    const { report } = await runFake({ cache: cacheOf({ attention_interval: 1 }), transformer })
    expect(report.rows.some(({ decision }) => decision === 'skipped')).toBe(true)
    const refused = fakeTransformer({ modules: ['mlp'] })
    await expect(runFake({ cache: cacheOf({}), transformer: refused })).rejects.toThrow(
      /FasterCache needs 'attn' outputs/,
    )
    expect(refused.runs).toEqual([])
  })

  it('says what guidance 1 leaves of it', () => {
    const { facts } = fakeTransformer()
    const run = { model: 'fake', sampler: 'euler', guidance: 1, sigmas: fakeSigmas(4) }
    expect(cacheOf({}).cautions?.(facts, run)).toEqual([expect.stringContaining('only attention')])
    expect(cacheOf({ attention_interval: 1 }).cautions?.(facts, run)).toEqual([
      expect.stringContaining('nothing is skipped'),
    ])
    expect(cacheOf({}).cautions?.(facts, { ...run, guidance: 3 })).toEqual([])
    expect(node.validate?.({ start: 0.9, end: 0.2 })).toHaveProperty('end')
  })

  it('counts what it ran', async () => {
    const { report } = await runFake({ cache: cacheOf({}), steps: 16 })
    for (const { modules, blocks, decision } of report.rows) {
      if (decision === 'partial') expect([modules['attn'], modules['mlp'], blocks]).toEqual([0, DEPTH, DEPTH / 2])
      if (decision === 'skipped') expect([modules, blocks]).toEqual([{}, 0])
      if (decision === 'full') expect([modules['attn'], modules['mlp'], blocks]).toEqual([DEPTH, DEPTH, BLOCKS.length])
    }
  })
})
