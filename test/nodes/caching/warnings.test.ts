/** Every caching node, through KSampler: a run in which nothing was skipped warns on the node and in the report. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { zeros } from '../../../diffusion/tensor.ts'
import kSampler from '../../../nodes/sampling/k-sampler.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { context } from '../context.ts'
import { cachingNodes, configured, declarationsOf, type Settings } from './subject.ts'

const found = await Promise.all(
  (await cachingNodes()).map(async (node) => {
    const [first] = await declarationsOf(node).catch(() => [])
    return { node, type: node.definition.type, eager: first?.eager ?? null }
  }),
)
const tried = found.flatMap(({ node, type, eager }) => (eager ? [{ node, type, eager }] : []))

/** The sampler's node over the small model; with one step no method has anything to reuse. */
async function sampled(node: (typeof tried)[number]['node'], settings: Settings, steps: number) {
  const around = context(tmpdir())
  const { report } = await kSampler.run(
    {
      ...{ model: fakeModel(fakeTransformer()), seed: 1n, steps, cfg: 3, denoise: 1 },
      ...{ sampler_name: 'euler', scheduler: 'simple' },
      ...{ positive: [fakeConditioning(1)], negative: [fakeConditioning(2)] },
      latent_image: { samples: zeros([1, ...FAKE_LATENT]) },
      cache: await configured(node, settings),
    },
    around,
  )
  return { report, warned: around.warnings }
}

describe.each(tried)('$type', ({ node, type, eager }) => {
  it('warns when it is wired in and nothing was skipped', async () => {
    const { report, warned } = await sampled(node, eager, 1)
    expect(report.rows.every(({ decision }) => decision === 'full' || decision === 'resumed')).toBe(true)
    expect(warned.join('\n')).toMatch(new RegExp(`${type} is on but skipped nothing`))
    expect(report.warnings).toEqual(warned)
  })

  it('is silent when it is switched off', async () => {
    const { warned } = await sampled(node, { ...eager, enabled: false }, 12)
    expect(warned).toEqual([])
  })

  it('is silent about a run of which a part was skipped', async () => {
    const { report, warned } = await sampled(node, eager, 16)
    expect(report.rows.some(({ decision }) => decision === 'skipped' || decision === 'partial')).toBe(true)
    expect(warned.filter((text) => /skipped nothing/.test(text))).toEqual([])
  })
})
