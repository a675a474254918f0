/** H2-Cache: the pooled comparison and a trace by hand, and a retelling of its two stages on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, type Hidden } from '../../../diffusion/caching/contract.ts'
import { relativeL1 } from '../../../diffusion/tensor.ts'
import { pooled } from '../../../diffusion/caching/thumbnails.ts'
import node, { h2cache, type H2CacheParams } from '../../../nodes/caching/h2cache.ts'
import { difference, expectSame, minus, plus, relative, retold, type Told } from './oracle.ts'
import { firsts, letters, matrix, playOn, stack, type Stack } from './stack.ts'

const knobs: H2CacheParams = {
  preset: 'custom',
  enabled: true,
  threshold_1: 0.15,
  threshold_2: 0.22,
  split: 0.5,
  chain: true,
  pool_1: 0,
  pool_2: 0,
  warm_up: 0,
  force_last: false,
  start: 0,
  end: 1,
}
const at = (settings: Partial<H2CacheParams>) => configure(h2cache, { ...knobs, ...settings })

/** Four blocks, two a stage: what each of them adds, by evaluation. */
const TRACE = [
  [1, 2, 4, 8],
  [1.1, 2.1, 4.2, 8.1],
  [1.3, 2.2, 4.4, 8.2],
  [1.32, 2.3, 5, 8.3],
  [1.6, 2.4, 5.5, 8.4],
]
const scalars = (rows: readonly (readonly number[])[]): Stack =>
  stack({ depth: 4, adds: ({ index, block }) => rows[index]![block]! })

describe('the comparison of thumbnails', () => {
  const rows = [
    [1, 3, 5, 7],
    [1, 3, 5, 7],
    [2, 2, 2, 2],
    [2, 2, 2, 2],
  ]
  const moved = [
    [1, -1, 0, 0],
    [-1, 1, 0, 0],
    [0.4, 0.4, 0, 0],
    [0.4, 0.4, 0, 0],
  ]
  const [before, now] = [matrix(rows), matrix(rows.map((row, y) => row.map((value, x) => value + moved[y]![x]!)))]

  it('averages over squares of tokens and channels', () => {
    expect([...pooled(before, 2).data]).toEqual([2, 6, 2, 2])
    expect([...pooled(now, 2).data].map((value) => Number(value.toFixed(6)))).toEqual([2, 6, 2.4, 2])
  })

  it('does not see change within a square', () => {
    expect(relativeL1(pooled(now, 2), pooled(before, 2))).toBeCloseTo(0.1 / 3, 6)
    expect(relativeL1(pooled(now, 0), pooled(before, 0))).toBeCloseTo(0.35 / 3, 6)
  })

  it('drops what does not fill a square, and leaves small pictures as they are', () => {
    const odd = matrix(Array.from({ length: 5 }, (_, y) => [y, y, y, 100]))
    expect(pooled(odd, 2).shape).toEqual([1, 2, 2])
    expect([...pooled(odd, 2).data]).toEqual([0.5, 50.25, 2.5, 51.25])
    expect(pooled(odd, 6)).toBe(odd)
    expect(pooled(odd, 1).shape).toEqual([1, 1, 1])
  })

  it('decides by the thumbnails where they are asked for', async () => {
    // Two tokens of two numbers; the second evaluation moves them apart and keeps their mean.
    const wobble = () =>
      stack({
        depth: 4,
        embed: () => [
          [1, 2],
          [3, 4],
        ],
        adds: ({ index, block }, value) =>
          block === 0 ? 10 + (index === 1 ? (Math.round(value) % 2 === 0 ? 3 : -3) : 0) : 1,
      })
    expect(letters((await playOn(wobble(), at({ pool_1: 0 }), 2)).answers)).toBe('Fp')
    expect(letters((await playOn(wobble(), at({ pool_1: 1 }), 2)).answers)).toBe('F.')
  })
})

describe('the two stages', () => {
  it('a reused first stage forces the second; a computed one asks it', async () => {
    const { answers, ran } = await playOn(scalars(TRACE), at({}), 5)
    expect(letters(answers)).toBe('F.p.R')
    const outputs = [15, 15.3, 15.9, 16.52, 17.9]
    firsts(answers).forEach((value, i) => expect(value).toBeCloseTo(outputs[i]!, 5))
    const drifts = [undefined, 0.1, 0.3, 0.02 / 1.3, 0.3 / 1.3]
    answers.slice(1).forEach(({ trace }, i) => expect(trace.drift).toBeCloseTo(drifts[i + 1]!, 5))
    expect(ran.filter((range) => range === '1-2')).toHaveLength(3)
    expect(ran.filter((range) => range === '3-4')).toHaveLength(2)
  })

  it('unchained, the second stage is asked every time', async () => {
    const { answers } = await playOn(scalars(TRACE), at({ chain: false }), 5)
    // Second stage: 0.05, 0.1, 0.25 (computed), 0.1.
    expect(letters(answers)).toBe('F.ppp')
    expect(firsts(answers)[3]).toBeCloseTo(1.32 + 2.2 + 5 + 8.3, 5)
  })

  it('a drift equal to the threshold computes, and 0 computes that stage', async () => {
    const level = scalars([
      [1, 2, 4, 8],
      [1.25, 2, 5, 8],
      [1.25, 2, 4, 8],
    ])
    const one = await playOn(level, at({ threshold_1: 0.25, threshold_2: 0.25 }), 3)
    expect(letters(one.answers)).toBe('FR.')
    expect(letters((await playOn(scalars(TRACE), at({ threshold_1: 0 }), 5)).answers)).toBe('FppRp')
  })

  it('the presets are the published settings', async () => {
    // The probe moves by 0.13 of the first, then not at all; the second stage by 0.15.
    const rows = [
      [100, 2, 100, 8],
      [113, 2, 115, 8],
      [113, 2, 115, 8],
    ]
    const run = async (preset: H2CacheParams['preset']) =>
      letters((await playOn(scalars(rows), at({ preset }), 3)).answers)
    expect(await run('paper')).toBe('F..')
    expect(await run('official')).toBe('FR.')
    // At 0.11 the first stage is reused, and the second, asked, is not.
    const apart = [
      [100, 2, 100, 8],
      [111, 2, 115, 8],
    ]
    const pair = async (preset: H2CacheParams['preset']) =>
      letters((await playOn(scalars(apart), at({ preset }), 2)).answers)
    expect(await pair('official')).toBe('F.')
    expect(await pair('double-first-block')).toBe('Fp')
  })

  it('a probe of zeros or of no numbers computes', async () => {
    for (const odd of [0, NaN]) {
      const rows = [
        [odd, 1, 1, 1],
        [odd, 1, 1, 1],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ]
      const { answers } = await playOn(scalars(rows), at({ threshold_2: 0 }), 4)
      expect(letters(answers).replace('F', 'R')).toMatch(/^RRR\.$/)
    }
  })

  it('what a warm-up computes is what the next evaluation is compared with', async () => {
    const { answers } = await playOn(scalars(TRACE), at({ warm_up: 0.5 }), 5)
    expect(letters(answers)).toBe('FFp.R')
  })
})

describe('a retelling on the fake model', () => {
  const told = (tau1: number, tau2: number, split: number) =>
    retold(() => {
      let [p1, r1, p2, r2]: [number[]?, (readonly [number[], number[]])?, number[]?, (readonly [number[], number[]])?] =
        []
      return async ({ i, embed, blocks }): Promise<Told> => {
        const x = await embed()
        const a = await blocks(x, 0, 1)
        const q1 = difference(a.image, x.image)
        const hit1 = p1 !== undefined && relative(q1, p1) < tau1
        let between: Hidden
        if (hit1) between = plus(a, r1!)
        else {
          p1 = q1
          between = await blocks(a, 1, split)
          r1 = minus(between, a)
        }
        const b = await blocks(between, split, split + 1)
        const [image, text] = minus(b, between)
        const q2 = [...text, ...image]
        const hit2 = hit1 || (p2 !== undefined && relative(q2, p2) < tau2)
        let out: Hidden
        if (hit2) out = plus(b, r2!)
        else {
          p2 = q2
          out = await blocks(b, split + 1, 8)
          r2 = minus(out, b)
        }
        const hits = [hit1, hit2].filter(Boolean).length
        return { out, decision: i === 0 ? 'full' : (['resumed', 'partial', 'skipped'] as const)[hits]! }
      }
    })

  it.each([
    [0.05, 0.1, 0.333, 2],
    [0.1, 0.05, 0.5, 4],
    [0.03, 0.2, 0.75, 6],
  ])('thresholds %d and %d, split %d', async (threshold_1, threshold_2, split, block) => {
    const retelling = told(threshold_1, threshold_2, block)
    const cache = at({ threshold_1, threshold_2, split })
    const rows = await expectSame(cache, retelling, { steps: 24 })
    expect(new Set(rows).size).toBeGreaterThan(2)
  })
})

describe('what it refuses', () => {
  it('stages of fewer than two blocks, unless it is off', () => {
    const { facts } = scalars(TRACE)
    expect(() => at({ split: 0.3 }).bind(facts)).toThrow(/stages of 1 and 3 blocks/)
    expect(() => at({ split: 0.8 }).bind(facts)).toThrow(/stages of 3 and 1 blocks/)
    expect(() => at({ split: 0.3, threshold_1: 0, threshold_2: 0 }).bind(facts)).not.toThrow()
    expect(at({ split: 0.333 }).needs({ ...facts, depth: 57 }).cuts).toEqual([0, 1, 19, 20, 57])
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toHaveProperty('end')
  })
})
