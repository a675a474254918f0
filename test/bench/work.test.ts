/** A whole small bench on the fake model: stopped in the middle, gone on with, summed up. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fidelityWork, pictureOf, type Ground } from '../../bench/fidelity.ts'
import { Journal } from '../../bench/journal.ts'
import { openJudges } from '../../bench/judges/judges.ts'
import { memoryOf, memoryWork } from '../../bench/memory.ts'
import type { Stage } from '../../bench/scene.ts'
import { uncached, type Setting } from '../../bench/setting.ts'
import { summarise } from '../../bench/summary.ts'
import { timingWork } from '../../bench/timing.ts'
import { configure } from '../../diffusion/caching/contract.ts'
import type { Checkpoint } from '../../diffusion/families/contract.ts'
import { tensor } from '../../diffusion/tensor.ts'
import { dicache } from '../../nodes/caching/dicache.ts'
import { fakeConditioning, fakeModel, fakeTransformer } from '../fixtures/fake-model.ts'
import { knobs } from '../nodes/caching/scripted.ts'

const STEPS = 10
const EDGE = 16
const prices = { evaluation: 0.001, picture: 0.001 }

let folder: string
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'heddle-work-'))))
afterAll(() => rm(folder, { recursive: true }))

const transformer = fakeTransformer()
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
const stage: Stage = {
  ...{ checkpoint, captions: ['a', 'bcd', 'efghi'], guidance: 3, size: EDGE },
  negative: fakeConditioning(0),
}
const cached = (threshold: number): Setting => ({
  ...{ role: 'method', method: 'DiCache', name: `DiCache ${threshold}`, sampler: 'euler', steps: STEPS },
  params: { threshold },
  wire: (model) => Promise.resolve({ model, cache: configure(dicache, { ...knobs, threshold, warm_up: 0 }) }),
})
const settings = [
  uncached(STEPS),
  cached(0),
  cached(0.5),
  { ...uncached(5), role: 'fewer', method: 'FewerSteps euler', name: '5' } as const,
]

async function ground(path: string): Promise<Ground> {
  const journal = await Journal.open(join(folder, path), 'code', false)
  return { stage, journal, model: 'fake', steps: STEPS, convergedSteps: 20, judges: await openJudges({}) }
}
const allWork = (one: Ground) => [...fidelityWork(one, settings, prices), ...timingWork(one, settings, 2, prices)]
const runsSince = (before: number): number => transformer.runs.length - before

const facts = (one: Ground) => summarise(one, settings, 2).map((row) => ({ ...row, speed: row.speed?.runs }))

describe('a bench', () => {
  beforeAll(async () => {
    for (const piece of allWork(await ground('whole'))) await piece.do()
  }, 120_000)

  it('that was stopped goes on where it was, and ends with what an uninterrupted one finds', async () => {
    const pieces = allWork(await ground('stopped'))
    for (const piece of pieces.slice(0, 8)) await piece.do()
    const again = await ground('stopped')
    const rest = allWork(again)
    expect(rest.length).toBeLessThan(pieces.length - 5)
    for (const piece of rest) await piece.do()
    expect(facts(again)).toEqual(facts(await ground('whole')))
  }, 120_000)

  it('that is finished has nothing left to do, and runs no model', async () => {
    const before = transformer.runs.length
    expect(allWork(await ground('whole'))).toEqual([])
    expect(runsSince(before)).toBe(0)
  })

  it('measures against the uncached run, the converged solution and the clock', async () => {
    const one = await ground('whole')
    const [plain, off, on, fewer] = summarise(one, settings, 2)
    expect(plain).toMatchObject({ psnr: 100, latentL1: 0, flopShare: 1, sameDecisions: 1, evaluations: STEPS })
    expect(off).toMatchObject({ psnr: 100, ssim: 1, latentL1: 0, blockShare: 1 })
    expect(off?.truthL2).toBe(plain?.truthL2)
    expect(on?.psnr).toBeLessThan(100)
    expect(on?.latentL1).toBeGreaterThan(0)
    expect(on?.flopShare).toBeLessThan(1)
    expect(on?.flopShare).toBeGreaterThan(on?.blockShare ?? NaN)
    expect(fewer).toMatchObject({ flopShare: 0.5, promised: 2, evaluations: 5, heldMiB: null })
    expect(fewer?.truthL2).toBeGreaterThan(plain?.truthL2 ?? NaN)
    expect(on?.speed).toMatchObject({ runs: 4 })
    expect(pictureOf(one, 2, settings[2]!)?.decisions).toMatch(/^FF[Fs]+FF$/)
  })

  it('finds what a method keeps between evaluations', async () => {
    const one = await ground('whole')
    const kept = [settings[0]!, settings[2]!]
    for (const piece of memoryWork(one, kept, 0.001)) await piece.do()
    const [plain, cache] = kept.map((setting) => memoryOf(one, setting)?.heldBytes ?? NaN)
    // Two anchors of two tensors and the last probe, for each branch, of 4 tokens and width 6: 4 bytes a value. Buffers of the
    // process that have nothing to do with the run come and go meanwhile, a few hundred bytes of them.
    const slack = 256
    expect((cache ?? NaN) - (plain ?? NaN)).toBeGreaterThanOrEqual(2 * 5 * 4 * 6 * 4 - slack)
    expect(memoryWork(one, kept, 0.001)).toEqual([])
  }, 120_000)

  it('measures a caption anew when anything about the run is another', async () => {
    const one = await ground('whole')
    expect(pictureOf({ ...one, convergedSteps: 30 }, 0, settings[1]!)).toBeUndefined()
    expect(pictureOf({ ...one, stage: { ...stage, guidance: 2 } }, 0, settings[1]!)).toBeUndefined()
    expect(pictureOf(one, 0, cached(0.4))).toBeUndefined()
    expect(pictureOf(one, 0, settings[1]!)).toBeDefined()
  })
})
