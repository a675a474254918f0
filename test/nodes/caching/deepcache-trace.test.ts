/** DeepCache (DiT form): the published schedules, a trace by hand, and a retelling of the loop on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, type Hidden } from '../../../diffusion/caching/contract.ts'
import node, { deepcache, nonUniformSteps, type DeepCacheParams } from '../../../nodes/caching/deepcache.ts'
import { expectSame, minus, plus, retold, type Told } from './oracle.ts'
import { firsts, letters, playOn, stack } from './stack.ts'

const knobs: DeepCacheParams = {
  preset: 'custom',
  enabled: true,
  interval: 3,
  schedule: 'uniform',
  center: 0.3,
  power: 1.4,
  branch: 0,
  front: 1,
  back: 1,
  warm_up: 0,
  force_last: false,
  start: 0,
  end: 1,
}
const at = (settings: Partial<DeepCacheParams>) => configure(deepcache, { ...knobs, ...settings })
/** Five blocks; block b at evaluation i adds (b + 1)(i + 1). */
const ladder = () => stack({ depth: 5, adds: ({ block, index }) => (block + 1) * (index + 1) })
const full = async (settings: Partial<DeepCacheParams>, total: number) => {
  const { answers } = await playOn(ladder(), at(settings), total)
  return answers.flatMap(({ trace }, i) => (trace.decision === 'full' ? [i] : []))
}

describe('the non-uniform schedule', () => {
  // From the authors' code: evaluations, interval, centre, power.
  it.each([
    [50, 5, 15, 1.4, [0, 5, 9, 13, 17, 21, 26, 31, 37, 43]],
    [50, 5, 10, 1.5, [0, 4, 7, 10, 14, 19, 24, 30, 36, 43]],
    [50, 4, 15, 1.4, [0, 4, 7, 10, 14, 16, 19, 23, 27, 31, 35, 40, 45]],
    [20, 3, 5, 1.4, [0, 3, 5, 6, 9, 12, 16]],
    [20, 5, 6, 1.4, [0, 5, 8, 13]],
    [20, 3, 0, 1.2, [0, 1, 4, 7, 10, 13, 16]],
    // The first powers tried give too few points.
    [9, 2, 2, 2.2, [0, 1, 2, 4, 6]],
    [10, 2, 2, 1.5, [0, 2, 3, 4, 7]],
  ])('of %i evaluations, one in %i, centre %i, power %d', (total, interval, center, power, steps) => {
    expect(nonUniformSteps(total, interval, center, power)).toEqual(steps)
  })

  it('has as many full evaluations as asked for, the first among them, at any length', () => {
    for (let total = 1; total <= 60; total++)
      for (const interval of [2, 3, 5, 8]) {
        const steps = nonUniformSteps(total, interval, Math.round(0.3 * total), 1.4)
        expect(steps).toHaveLength(Math.ceil(total / interval))
        expect(steps[0]).toBe(0)
        expect(steps.every((step, i) => Number.isInteger(step) && (i === 0 || step > steps[i - 1]!))).toBe(true)
      }
  })

  it('is what the preset paper and the knobs run', async () => {
    expect(await full({ preset: 'paper' }, 50)).toEqual([0, 4, 7, 10, 14, 19, 24, 30, 36, 43])
    expect(await full({ schedule: 'non-uniform', interval: 5 }, 50)).toEqual([0, 5, 9, 13, 17, 21, 26, 31, 37, 43])
  })
})

describe('the uniform schedule', () => {
  it('computes one evaluation in three in full, and the last only where told', async () => {
    expect(await full({}, 10)).toEqual([0, 3, 6, 9])
    expect(await full({ preset: 'official', interval: 7 }, 11)).toEqual([0, 3, 6, 9])
    expect(await full({}, 9)).toEqual([0, 3, 6])
    expect(await full({ force_last: true }, 9)).toEqual([0, 3, 6, 8])
  })

  it('a warm-up adds full evaluations, the schedule stays', async () => {
    expect(await full({ warm_up: 0.5 }, 10)).toEqual([0, 1, 2, 3, 4, 6, 9])
  })
})

describe('what a step reuses', () => {
  it('adds what the middle added at the last full evaluation to the fresh first blocks', async () => {
    const { answers, ran } = await playOn(ladder(), at({ front: 2 }), 5)
    expect(letters(answers)).toBe('FppFp')
    // Full at i: 15 (i + 1). Middle of blocks 2 and 3 at evaluation 0: 7, at evaluation 3: 28; the rest adds 8 (i + 1).
    expect(firsts(answers)).toEqual([15, 16 + 7, 24 + 7, 60, 40 + 28])
    expect(ran).toEqual(['0-2', '2-4', '4-5', '0-2', '4-5', '0-2', '4-5', '0-2', '2-4', '4-5', '0-2', '4-5'])
  })

  it('says why an evaluation off the schedule is computed', async () => {
    const { answers } = await playOn(ladder(), at({ interval: 4, force_last: true, warm_up: 0.2 }), 11)
    const why = answers.map(({ trace }) => (trace.decision === 'full' ? (trace.forced ?? 'schedule') : '.'))
    expect(why.join(' ')).toBe('first warm-up . . schedule . . . schedule . last')
  })

  it('computes rather than adds what it does not have: a middle that is not finite', async () => {
    const broken = stack({ depth: 5, adds: ({ block, index }) => (index === 0 && block === 2 ? NaN : 1) })
    const { answers } = await playOn(broken, at({}), 3)
    expect(answers.map(({ trace }) => trace.forced)).toEqual(['first', 'no-anchor', undefined])
    expect(firsts(answers)).toEqual([NaN, 5, 5])
  })
})

describe('a retelling on the fake model', () => {
  const told = (front: number, back: number, interval: number) =>
    retold(() => {
      let kept: readonly [number[], number[]] | undefined
      return async ({ i, embed, blocks }): Promise<Told> => {
        const shallow = await blocks(await embed(), 0, front)
        let deep: Hidden
        if (i % interval === 0) {
          deep = await blocks(shallow, front, 8 - back)
          kept = minus(deep, shallow)
        } else deep = plus(shallow, kept!)
        return { out: await blocks(deep, 8 - back, 8), decision: i % interval === 0 ? 'full' : 'partial' }
      }
    })

  it.each([
    [1, 1, 3],
    [2, 3, 2],
    [3, 0, 5],
  ])('%i blocks before, %i behind, one in %i', async (front, back, interval) => {
    const rows = await expectSame(at({ front, back, interval }), told(front, back, interval))
    expect(new Set(rows)).toEqual(new Set(['full 8', `partial ${front + back}`]))
  })
})

describe('what it refuses', () => {
  it('ends that leave no middle, unless it is off', () => {
    const { facts } = ladder()
    expect(() => at({ front: 3, back: 2 }).bind(facts)).toThrow(/3 front and 2 back.*has 5/)
    expect(() => at({ front: 3, back: 2, enabled: false }).bind(facts)).not.toThrow()
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toHaveProperty('end')
  })
})
