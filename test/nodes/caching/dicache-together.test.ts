/** DiCache's branches deciding as one: one drift over the tokens of both, so that they never fall out of step. */
import { describe, expect, it } from 'vitest'
import type { Branch } from '../../../diffusion/caching/contract.ts'
import { configure } from '../../../diffusion/caching/contract.ts'
import { dicache, type DiCacheParams } from '../../../nodes/caching/dicache.ts'
import { callAt, knobs, scripted, type Scene } from './scripted.ts'

/** The probe of cond grows by a tenth of 10 at each evaluation, that of uncond by 3 tenths of 30. */
const scenes: Readonly<Record<Branch, readonly Scene[]>> = {
  cond: [10, 11, 12, 13].map((p) => ({ x: [1], p: [p], y: [p + 1] })),
  uncond: [30, 39, 48, 57].map((p) => ({ x: [1], p: [p], y: [p + 1] })),
}

async function play(settings: Partial<DiCacheParams>) {
  const denoiser = scripted(scenes)
  const evaluate = configure(dicache, { ...knobs, warm_up: 0, ...settings }).bind(denoiser.facts)()
  const traces = []
  for (let index = 0; index < 4; index++) {
    const answers = await evaluate(callAt(index, 5, ['cond', 'uncond']), denoiser)
    traces.push((['cond', 'uncond'] as const).map((branch) => answers.get(branch)!.trace))
  }
  return traces
}

const decisions = (traces: Awaited<ReturnType<typeof play>>) =>
  traces.map((pair) => pair.map(({ decision }) => decision).join(' '))

describe('decide', () => {
  it('per branch: each has its own drift, and they fall out of step', async () => {
    const traces = await play({ threshold: 0.25, decide: 'per branch' })
    expect(traces[1]![0]!.drift).toBeCloseTo(0.1, 6)
    expect(traces[1]![1]!.drift).toBeCloseTo(0.3, 6)
    expect(decisions(traces)).toEqual(['full full', 'skipped resumed', 'skipped skipped', 'resumed resumed'])
  })

  it('together: what both moved over what both were, and one decision', async () => {
    const traces = await play({ threshold: 0.25, decide: 'together' })
    for (const { drift } of traces[1]!) expect(drift).toBeCloseTo((1 + 9) / (10 + 30), 6)
    expect(decisions(traces)).toEqual(['full full', 'resumed resumed', 'skipped skipped', 'resumed resumed'])
  })

  it('together: official-hunyuan, whose guidance is one batch', async () => {
    const traces = await play({ preset: 'official-hunyuan', decide: 'per branch' })
    for (const [cond, uncond] of traces) expect(cond!.drift).toBe(uncond!.drift)
  })
})
