/** MixCache (reconstruction): its choice and a run by hand, and a retelling on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, type Hidden } from '../../../diffusion/caching/contract.ts'
import node, { choose, mixcache, type MixCacheParams } from '../../../nodes/caching/mixcache.ts'
import { expectSame, minus, plus, relative, retold, type Told } from './oracle.ts'
import { callAt } from './scripted.ts'
import { firsts, letters, playOn, stack, type Stack } from './stack.ts'

const knobs: MixCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.12,
  warm_up: 0.15,
  calm: 0.3,
  penalty: 1,
  max_in_a_row: 4,
  protect_last: 2,
  ends: 0.125,
  start: 0,
  end: 1,
}
const at = (settings: Partial<MixCacheParams>) => configure(mixcache, { ...knobs, ...settings })

/**
 * Three blocks. Evaluations 0 to 2 add 10, 10 and 10.5 in all, of which the middle 4, 4 and 4.2; later ones are fresh. The
 * unconditional branch starts at `bias` instead of 0, and so ends that much higher.
 */
const model = (bias: readonly number[], later: readonly number[] = [5, 7, 1]): Stack =>
  stack({
    depth: 3,
    embed: ({ index, branch }) => [[branch === 'cond' ? 0 : (bias[index] ?? 9)]],
    adds: ({ index, block }) =>
      ([
        [4, 4, 2],
        [4, 4, 2],
        [4.3, 4.2, 2],
      ][index] ?? later)[block]!,
  })
const both = ['cond', 'uncond'] as const
/** The errors after evaluation 2: step 0.05, block 0.02, cfg as the bias moves. */
const play = (settings: Partial<MixCacheParams>, bias: readonly number[] = [1, 1, 1.63], count = 8) =>
  playOn(model(bias), at(settings), count, { total: 20, branches: both })

describe('the choice', () => {
  const errors = { step: 0.05, block: 0.03, cfg: 0.1 }
  const rules = { threshold: 0.12, penalty: 1 }

  it('takes the least error, which grows with use, within what is left of the threshold', () => {
    expect(choose(errors, { step: 0, block: 0, cfg: 0 }, 0, rules)).toEqual({ mode: 'block', score: 0.03 })
    expect(choose(errors, { step: 0, block: 1, cfg: 0 }, 0.03, rules)).toEqual({ mode: 'step', score: 0.05 })
    expect(choose(errors, { step: 1, block: 1, cfg: 0 }, 0.08, rules)).toBeNull()
  })

  it('takes the cheaper of equals, a sum equal to the threshold, and nothing that cannot be had', () => {
    const none = { step: 0, block: 0, cfg: 0 }
    expect(choose({ step: 0.1, block: 0.1, cfg: 0.1 }, none, 0, rules)?.mode).toBe('step')
    expect(choose({ step: Infinity, block: 0.1, cfg: 0.1 }, none, 0, rules)?.mode).toBe('block')
    expect(
      choose({ step: 0.25, block: Infinity, cfg: Infinity }, none, 0.25, { threshold: 0.5, penalty: 0 })?.mode,
    ).toBe('step')
    expect(choose({ step: Infinity, block: Infinity, cfg: Infinity }, none, 0, rules)).toBeNull()
  })
})

describe('a run', () => {
  it('reuses blocks twice, a step once, then computes', async () => {
    const { answers, other } = await play({})
    expect(letters(answers)).toBe('FFFpp.F.')
    expect(letters(other)).toBe('FFFpp.F.')
    expect(answers.map(({ trace }) => trace.forced).slice(0, 4)).toEqual(['first', 'warm-up', 'warm-up', undefined])
    const scores = [0.02, 0.04, 0.05]
    answers.slice(3, 6).forEach(({ trace }, i) => {
      expect(trace.drift).toBeCloseTo(scores[i]!, 5)
      expect(trace.accumulated).toBeCloseTo(
        scores.slice(0, i + 1).reduce((a, b) => a + b),
        5,
      )
    })
    // Blocks: 5 + 4.2 + 1. A step: 10.5. In full: 13.
    const values = [10, 10, 10.5, 10.2, 10.2, 10.5, 13]
    firsts(answers)
      .slice(0, 7)
      .forEach((value, i) => expect(value).toBeCloseTo(values[i]!, 5))
    firsts(other)
      .slice(3, 7)
      .forEach((value, i) => expect(value).toBeCloseTo(9 + values[i + 3]!, 5))
  })

  it('reuses what guidance adds where that moves least', async () => {
    const { answers, other } = await play({ max_in_a_row: 1 }, [1, 1, 1.1])
    expect(answers[3]!.trace.decision).toBe('full')
    expect(answers[3]!.trace.drift).toBeCloseTo(0.1 / 10.5, 5)
    expect(other[3]!.trace.decision).toBe('skipped')
    expect(firsts(answers)[3]).toBe(13)
    expect(firsts(other)[3]).toBeCloseTo(13 + 1.1, 5)
  })

  it('fears that reuse the more, the stronger guidance is', async () => {
    const run = async (guidance: number) => {
      const denoiser = model([1, 1, 1.1])
      const evaluate = at({}).bind(denoiser.facts)()
      const answers = []
      for (let index = 0; index < 4; index++)
        answers.push(await evaluate({ ...callAt(index, 20, both), guidance }, denoiser))
      return answers[3]!.get('cond')!.trace
    }
    expect((await run(2.5)).drift).toBeCloseTo((1.5 * 0.1) / 10.5, 5)
    expect(await run(4)).toMatchObject({ decision: 'partial', drift: expect.closeTo(0.02, 5) })
  })

  it('has no guidance to reuse where there is no other branch', async () => {
    const { answers } = await playOn(model([]), at({}), 8, { total: 20 })
    expect(letters(answers)).toBe('FFFpp.F.')
  })

  it('is held back by each of its limits', async () => {
    const run = async (settings: Partial<MixCacheParams>, count = 8) =>
      letters((await play(settings, undefined, count)).answers)
    expect(await run({ max_in_a_row: 2 })).toMatch(/^FFFppF/)
    expect(await run({ warm_up: 0.25 })).toMatch(/^FFFFF/)
    expect(await run({ calm: 0.04 })).toMatch(/^FFFFF/)
    expect(await run({ threshold: 0.03 })).toMatch(/^FFFpF/)
    expect(await run({ penalty: 0 })).toMatch(/^FFFpppp/)
    expect(await run({ protect_last: 16 })).toBe('FFFpFFFF')
    expect(await run({ start: 0.2, threshold: 1 })).toMatch(/^FFFF\./)
    expect(await run({ end: 0.16 })).toBe('FFFpFFFF')
    expect(await run({ preset: 'reconstruction', threshold: 5, warm_up: 1 })).toBe('FFFpp.F.')
  })

  it('errors of evaluations further apart are shared among those between', async () => {
    // Full at 2 and 6: everything moved from 10.5 to 13, by 0.0595 an evaluation; calm at 0.06 but not at 0.05.
    const { answers } = await playOn(model([1, 1, 1.63]), at({ threshold: 0.115 }), 8, { total: 20, branches: both })
    const step = 2.5 / 10.5 / 4
    const block = ((2.8 / 4.2 / 4) * 7) / 13
    expect(answers[7]!.trace.drift).toBeCloseTo(Math.min(step, block), 5)
  })

  it('a branch that was not there at the last full evaluation is computed', async () => {
    const denoiser = model([1, 1, 1.63])
    const evaluate = at({}).bind(denoiser.facts)()
    for (let index = 0; index < 3; index++) await evaluate({ ...callAt(index, 20), guidance: 1 }, denoiser)
    const answers = await evaluate({ ...callAt(3, 20, both), guidance: 2 }, denoiser)
    expect(answers.get('uncond')!.trace.forced).toBe('no-anchor')
  })

  it('numbers that are not finite are never reused', async () => {
    const broken = stack({ depth: 3, adds: ({ index }) => (index === 2 ? NaN : 1) })
    const { answers } = await playOn(broken, at({}), 8, { total: 20 })
    expect(letters(answers).slice(0, 4)).toBe('FFFF')
    expect(firsts(answers).slice(3).every(Number.isFinite)).toBe(true)
  })
})

describe('a retelling on the fake model, for one branch', () => {
  const told = (tau: number, calm: number) =>
    retold(() => {
      let [R, Q, k]: [(readonly [number[], number[]])?, (readonly [number[], number[]])?, number?] = []
      let [eStep, eBlock] = [NaN, NaN]
      let [acc, stepUses, blockUses, row, quiet] = [0, 0, 0, 0, 0]
      const size = (values: readonly number[]) => values.reduce((sum, value) => sum + Math.abs(value), 0)
      return async ({ i, total, embed, blocks }): Promise<Told> => {
        const x = await embed()
        const armed = i >= Math.ceil(0.15 * total) && quiet >= 2 && i < total - 2
        const [a, b] = [eStep * (1 + stepUses), eBlock * (1 + blockUses)]
        if (armed && row < 4 && acc + Math.min(a, b) <= tau) {
          row++
          acc += Math.min(a, b)
          if (a <= b) {
            stepUses++
            return { out: plus(x, R!), decision: 'skipped' }
          }
          blockUses++
          return { out: await blocks(plus(await blocks(x, 0, 1), Q!), 7, 8), decision: 'partial' }
        }
        const front: Hidden = await blocks(x, 0, 1)
        const middle = await blocks(front, 1, 7)
        const out = await blocks(middle, 7, 8)
        const [newR, newQ] = [minus(out, x), minus(middle, front)]
        if (R && Q && k !== undefined) {
          eStep = relative(newR[0], R[0]) / (i - k)
          eBlock = ((relative(newQ[0], Q[0]) / (i - k)) * size(newQ[0])) / size(newR[0])
          if (quiet < 2) quiet = eStep < calm ? quiet + 1 : 0
        }
        ;[R, Q, k, acc, stepUses, blockUses, row] = [newR, newQ, i, 0, 0, 0, 0]
        return { out, decision: 'full' }
      }
    })

  it.each([
    [0.12, 0.3],
    [0.3, 0.05],
    [0.6, 1],
  ])('threshold %d, calm %d', async (threshold, calm) => {
    const rows = await expectSame(at({ threshold, calm }), told(threshold, calm), { steps: 24 })
    expect(new Set(rows).size).toBeGreaterThan(1)
  })
})

describe('what it refuses', () => {
  it('ends that leave no middle, unless it is off', () => {
    const { facts } = model([])
    const short = { ...facts, depth: 2 }
    expect(() => at({}).bind(short)).toThrow(/no middle in the 2 blocks/)
    expect(() => at({ threshold: 0 }).bind(short)).not.toThrow()
    expect(node.title).toBe('MixCache (reconstruction)')
    expect(node.help).toContain('reconstruction')
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toHaveProperty('end')
  })
})
