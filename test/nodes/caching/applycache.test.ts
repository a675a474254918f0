/** ApplyCache: a method on the model is used like one at the sampler, and the sampler's own comes first. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import applyCache from '../../../nodes/caching/applycache.ts'
import { fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { runFake, untimed } from '../../diffusion/caching/run.ts'
import { context } from '../context.ts'
import { knobs } from './scripted.ts'

const eager = configure(dicache, { ...knobs, threshold: 0.15, warm_up: 0 })
const other = configure(dicache, { ...knobs, threshold: 0.4, warm_up: 0.2 })
const plain = fakeModel(fakeTransformer())
const carrying = async (cache: typeof eager) => (await applyCache.run({ model: plain, cache }, context(tmpdir()))).MODEL

describe('ApplyCache', () => {
  it('runs as the same method at the sampler', async () => {
    const [carried, wired] = [await runFake({ model: await carrying(eager) }), await runFake({ cache: eager })]
    expect(carried.samples).toEqual(wired.samples)
    expect(untimed(carried)).toEqual(untimed(wired))
    expect(carried.report).toMatchObject({ method: 'DiCache', params: eager.params })
  })

  it("leaves the sampler's own cache the first word", async () => {
    const model = await carrying(eager)
    const [both, alone] = [await runFake({ model, cache: other }), await runFake({ cache: other })]
    expect(both.samples).toEqual(alone.samples)
    expect(both.report.params).toEqual(other.params)
    expect(alone.samples).not.toEqual((await runFake({ cache: eager })).samples)
  })

  it('makes a new model and leaves the given one without a cache', async () => {
    const model = await carrying(eager)
    expect(model).toEqual({ ...plain, cache: eager })
    expect('cache' in plain).toBe(false)
  })
})
