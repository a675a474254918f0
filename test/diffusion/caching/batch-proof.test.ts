/** Per-sample decisions: a batch of eight different prompts is eight single runs, and cheaper than one decision for all. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareBatch, type Batch } from '../../../bench/batch/proof.ts'
import { oneDecision } from '../../../bench/batch/one-decision.ts'
import { configure } from '../../../diffusion/caching/contract.ts'
import { openFluxCase } from '../../../diffusion/check/shared/flux-case.ts'
import type { Conditioning } from '../../../diffusion/families/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import { concatRows, row, scale, zeros } from '../../../diffusion/tensor.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import { fakeModel } from '../../fixtures/fake-model.ts'
import { knobs } from '../../nodes/caching/scripted.ts'

const SAMPLES = 8
const opened = await openFluxCase(join(import.meta.dirname, '../../fixtures/parity/dicache-flux-dy-a'))
const [channels = 0] = opened.latentShape
const model = { ...fakeModel(opened.transformer), latent: { channels, factor: 8, rgb: null } }
const first = opened.conditioning(0)

/** Prompts of growing strength, so that what the model does to them changes at different speeds. */
const prompt = (i: number): Conditioning => ({
  ...first,
  tokens: scale(normalNoise(BigInt(100 + i), first.tokens.shape), 0.2 + i),
  pooled: scale(normalNoise(BigInt(200 + i), first.pooled!.shape), 0.2 + i / 2),
})
const sigmas = runSigmas(schedules.get('simple')!, 12, 1, model.parametrisation)
const batch: Batch = {
  ...{ model, sigmas, guidance: 3, negative: prompt(8) },
  prompts: Array.from({ length: SAMPLES }, (_, i) => prompt(i)),
  // The samples move at different speeds too.
  noise: concatRows(
    Array.from({ length: SAMPLES }, (_, i) =>
      scale(normalNoise(BigInt(300 + i), [1, ...opened.latentShape]), 0.5 + i / 4),
    ),
  ),
  decode: (latents) => Promise.resolve(latents),
}
const params = { ...knobs, warm_up: 0.1, threshold: 0.4, decide: 'together' } as const

afterAll(() => opened.transformer.release())

describe('a batch of eight different prompts', () => {
  let proof: Awaited<ReturnType<typeof compareBatch>>
  beforeAll(async () => (proof = await compareBatch(batch, configure(dicache, params))))

  it('makes, sample by sample, the decisions of eight single runs', () => {
    expect(proof.sameDecisions).toBe(true)
    expect(proof.samples).toBe(SAMPLES)
  })

  it('gives their samples to within 1e-5', () => expect(proof.largestDifference).toBeLessThan(1e-5))

  it('computes as many blocks as they do together, not all and not none', () => {
    expect(proof.batchBlocks).toBe(proof.singleBlocks)
    expect(proof.batchBlocks).toBeLessThan(proof.totalBlocks)
    expect(proof.batchBlocks).toBeGreaterThan(proof.totalBlocks / 4)
  })

  it('computes fewer than one decision for the whole batch that serves no sample worse', () => {
    expect(proof.anyRuleBlocks).toBeGreaterThan(proof.batchBlocks)
    expect(proof.anyRuleBlocks).toBeGreaterThanOrEqual(proof.meanRuleBlocks)
    // One decision: all samples run the same blocks.
    expect([proof.anyRuleBlocks % SAMPLES, proof.meanRuleBlocks % SAMPLES]).toEqual([0, 0])
  })
})

describe('one decision per batch, which the above is compared with', () => {
  it.each(['mean', 'any'] as const)('is, for a batch of one, DiCache bit for bit (rule %s)', async (rule) => {
    const cache = { threshold: 0.4, warmUp: 0.1, probeDepth: 1, maxGain: 1.5 }
    const noise = row(batch.noise, 0)
    const run = {
      ...{ model, sigmas, guidance: 3, noise, latent: zeros(noise.shape), sampler: samplers.get('euler')! },
      ...{ positive: [prompt(0)], negative: [prompt(8)], signal: new AbortController().signal },
    }
    const own = await sample({ ...run, cache: configure(dicache, params) })
    const other = await sample({ ...run, cache: oneDecision({ ...cache, rule, samples: 1 }) })
    expect(other.samples.data).toEqual(own.samples.data)
    expect(other.report.computedBlocks).toBe(own.report.computedBlocks)
    expect(own.report.computedBlocks).toBeLessThan(own.report.totalBlocks)
  })
})

describe('prompts of a batch', () => {
  it('are refused when there is neither one for all latents nor one for each', async () => {
    const { noise } = batch
    const wrong = { ...batch, noise: concatRows([row(noise, 0), row(noise, 1), row(noise, 2)]) }
    await expect(compareBatch(wrong, configure(dicache, params))).rejects.toThrow(
      'positive: expected one prompt for all 3 latents or one for each, received 8 (pooled 8)',
    )
  })
})
