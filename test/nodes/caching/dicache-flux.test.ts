/** DiCache on the real engine: a tiny FLUX model on ONNX Runtime, cut after its probe. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { openFluxCase } from '../../../diffusion/check/shared/flux-case.ts'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { row } from '../../../diffusion/tensor.ts'
import { dicache, type DiCacheParams } from '../../../nodes/caching/dicache.ts'
import { fakeModel } from '../../fixtures/fake-model.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { knobs } from './scripted.ts'

const opened = await openFluxCase(join(import.meta.dirname, '../../fixtures/parity/dicache-flux-dy-a'))
const prompt = opened.conditioning(0)
const other = { ...prompt, extras: { guidance: 1 } }
const [channels = 0] = opened.latentShape
const model = { ...fakeModel(opened.transformer), latent: { channels, factor: 8, rgb: null } }

const run = (batch: number, settings: Partial<DiCacheParams> | null, from = 0) => {
  const all = normalNoise(11n, [2, ...opened.latentShape])
  const noise = batch === 2 ? all : row(all, from)
  const cache = settings && configure(dicache, { ...knobs, warm_up: 0.1, ...settings })
  const latent = { ...noise, data: new Float32Array(noise.data.length) }
  return runFake({ model, positive: [prompt], negative: [other], noise, latent, cache, steps: 12 })
}

afterAll(() => opened.transformer.release())

describe('DiCache on ONNX Runtime', () => {
  it('computing everything through the probe is the plain run, bit for bit', async () => {
    const plain = await run(2, null)
    for (const probe_depth of [1, 3]) {
      const probed = await run(2, { threshold: 1e-9, probe_depth })
      expect(probed.report.rows.filter(({ decision }) => decision === 'resumed').length).toBeGreaterThan(20)
      expect(probed.samples.data).toEqual(plain.samples.data)
    }
  })

  it('a batch of two is two single runs: same decisions, same samples to rounding', async () => {
    const settings = { threshold: 0.4 }
    const batch = await run(2, settings)
    for (const sample of [0, 1]) {
      const single = await run(1, settings, sample)
      for (const branch of ['cond', 'uncond'])
        expect(decisions(batch, sample, branch)).toBe(decisions(single, 0, branch))
      expect(maxAbsDifference(row(batch.samples, sample), single.samples)).toBeLessThan(1e-4)
    }
    expect(batch.report.computedBlocks).toBeLessThan(batch.report.totalBlocks)
  })
})
