/** Fake models that watch or punish what a caching method does with their tensors. */
import { expect } from 'vitest'
import type { Rows } from '../../../diffusion/families/contract.ts'
import { fakeTransformer, type FakeOptions, type FakeTransformer } from '../../fixtures/fake-model.ts'

/** Fails the test when a run changes the tensors it was given. */
export function guardedTransformer(options: FakeOptions = {}): FakeTransformer {
  const inner = fakeTransformer(options)
  const copy = (rows: Rows) => Object.values(rows).map(({ data }) => data.slice())
  return {
    ...inner,
    async run(...[part, rows, shared]: Parameters<typeof inner.run>) {
      const before = copy(rows)
      const out = await inner.run(part, rows, shared)
      expect(copy(rows)).toEqual(before)
      return out
    },
  }
}

/** Overwrites everything it has handed out as soon as the next evaluation begins; for one sample and one branch. */
export function lendingTransformer(options: FakeOptions = {}): FakeTransformer {
  const inner = fakeTransformer(options)
  const lent: Float32Array[] = []
  return {
    ...inner,
    async run(...[part, rows, shared]: Parameters<typeof inner.run>) {
      const given = Object.values(rows).map(({ data }) => data)
      const out = await inner.run(part, rows, shared)
      if (part.kind === 'embed') lent.splice(0).forEach((data) => !given.includes(data) && data.fill(-7))
      // Only tokens and predictions: what modules and taps give is the method's to keep.
      for (const name of ['image', 'text', 'prediction']) {
        const data = out[name]?.data
        if (data && !given.includes(data)) lent.push(data)
      }
      return out
    },
  }
}
