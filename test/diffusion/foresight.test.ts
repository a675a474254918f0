/** Foresight: what a run's noise levels need is made ahead, once, in as many parts as the transformer likes, and counted. */
import { describe, expect, it } from 'vitest'
import type { Level, Prepared, Transformer } from '../../diffusion/families/contract.ts'
import { Foresight } from '../../diffusion/foresight.ts'
import { tensor } from '../../diffusion/tensor.ts'
import { fakeTransformer } from '../fixtures/fake-model.ts'

const levels: readonly Level[] = [1, 0.75, 0.5, 0.25].map((sigma) => ({ sigma, timestep: 1000 * sigma }))
const prepared: readonly Prepared[] = [0, 1].map(() => ({ rows: {}, shared: {}, tokens: { image: 1, text: 0 } }))

/** Makes rows that tell prompt and level, so many levels at a time. */
function foreseeing(atOnce: number) {
  const asked: (readonly number[])[] = []
  const transformer: Transformer = {
    ...fakeTransformer(),
    foresee(prompts, wanted) {
      asked.push(wanted.map(({ sigma }) => sigma))
      const rowOf = (sigma: number, prompt: number) => ({ told: tensor(Float32Array.of(sigma + 10 * prompt), [1]) })
      const rows = wanted.slice(0, atOnce).map(({ sigma }) => prompts.map((_, prompt) => rowOf(sigma, prompt)))
      return Promise.resolve({ rows, flops: 7 })
    },
  }
  return { foresight: new Foresight(transformer, prepared, levels), asked }
}

describe('Foresight', () => {
  it('is made once for all prompts of an evaluation, anew where the levels made before end', async () => {
    const { foresight, asked } = foreseeing(3)
    const told: (number | undefined)[] = []
    for (const { sigma } of levels)
      for (const rows of await Promise.all(prepared.map((one) => foresight.rows(one, sigma))))
        told.push(rows?.['told']!.data[0])
    expect(told).toEqual([1, 11, 0.75, 10.75, 0.5, 10.5, 0.25, 10.25])
    expect(asked).toEqual([[1, 0.75, 0.5, 0.25], [0.25]])
  })

  it('counts what was made for a level, whether it was asked for or not, and nothing that was not made', async () => {
    const { foresight } = foreseeing(2)
    expect(foresight.flops(1)).toBe(0)
    await foresight.rows(prepared[0]!, 1)
    expect([1, 0.75, 0.5].map((sigma) => foresight.flops(sigma))).toEqual([7, 7, 0])
  })

  it('leaves levels between those of the steps to the transformer, and all of them where it foresees nothing', async () => {
    expect(await foreseeing(4).foresight.rows(prepared[0]!, 0.6)).toBeNull()
    expect(await new Foresight(fakeTransformer(), prepared, levels).rows(prepared[0]!, 1)).toBeNull()
  })
})
