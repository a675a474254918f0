/** A bench's ground on the fake model: three captions, an uncached run, DiCache at two thresholds and a run with fewer steps. */
import { fidelityWork, type Ground } from '../../bench/fidelity.ts'
import { Journal } from '../../bench/journal.ts'
import { openJudges } from '../../bench/judges/judges.ts'
import type { Stage } from '../../bench/scene.ts'
import { uncached, type Setting } from '../../bench/setting.ts'
import { timingWork } from '../../bench/timing.ts'
import { configure } from '../../diffusion/caching/contract.ts'
import type { Checkpoint } from '../../diffusion/families/contract.ts'
import { tensor } from '../../diffusion/tensor.ts'
import { dicache } from '../../nodes/caching/dicache.ts'
import { fakeConditioning, fakeModel, fakeTransformer } from '../fixtures/fake-model.ts'
import { knobs } from '../nodes/caching/scripted.ts'

export const STEPS = 10
const EDGE = 16
const prices = { evaluation: 0.001, picture: 0.001 }

export const transformer = fakeTransformer()
const checkpoint: Checkpoint = {
  model: fakeModel(transformer),
  clip: { encode: (text) => Promise.resolve(fakeConditioning(text.length)) },
  vae: {
    ...{ factor: 8, channels: 2 },
    encode: () => Promise.reject(new Error('not asked for')),
    decode: ({ data }) =>
      Promise.resolve(
        tensor(
          Float32Array.from({ length: EDGE * EDGE * 3 }, (_, i) => 0.5 + 0.1 * Math.tanh(data[i % data.length]!)),
          [1, EDGE, EDGE, 3],
        ),
      ),
  },
}
export const stage: Stage = {
  ...{ checkpoint, captions: ['a', 'bcd', 'efghi'], guidance: 3, size: EDGE },
  negative: fakeConditioning(0),
}
export const cached = (threshold: number): Setting => ({
  ...{ role: 'method', method: 'DiCache', name: `DiCache ${threshold}`, sampler: 'euler', steps: STEPS },
  params: { threshold },
  wire: (model) => Promise.resolve({ model, cache: configure(dicache, { ...knobs, threshold, warm_up: 0 }) }),
})
export const settings = [
  uncached(STEPS),
  cached(0),
  cached(0.5),
  { ...uncached(5), role: 'fewer', method: 'FewerSteps euler', name: '5' } as const,
]

/** The ground whose journal is at `path`, of sources of the digest `code`. */
export async function groundAt(path: string, code = 'code', commit?: string): Promise<Ground> {
  const journal = await Journal.open(path, code, false, commit)
  return { stage, journal, model: 'fake', steps: STEPS, convergedSteps: 20, judges: await openJudges({}) }
}

/** Pictures of all captions, and times of two. */
export const allWork = (ground: Ground) => [
  ...fidelityWork(ground, settings, prices),
  ...timingWork(ground, settings, 2, prices),
]
