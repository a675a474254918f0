/** A whole small bench on the fake model: stopped in the middle, gone on with, summed up. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pictureOf, type Ground } from '../../bench/fidelity.ts'
import { memoryOf, memoryWork } from '../../bench/memory.ts'
import { summarise } from '../../bench/summary.ts'
import { allWork, cached, groundAt, settings, stage, STEPS, transformer } from './fake-ground.ts'

let folder: string
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'heddle-work-'))))
afterAll(() => rm(folder, { recursive: true }))

const ground = (name: string): Promise<Ground> => groundAt(join(folder, name))
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

  // Measured anew each time: buffers of the process that have nothing to do with the run come and go, rarely more than the slack.
  it('finds what a method keeps between evaluations', { retry: 3, timeout: 120_000 }, async () => {
    const one = await ground(`memory ${Math.random()}`)
    const kept = [settings[0]!, settings[2]!]
    for (const piece of memoryWork(one, kept, 0.001)) await piece.do()
    const [plain, cache] = kept.map((setting) => memoryOf(one, setting)?.heldBytes ?? NaN)
    // Two anchors of two tensors and the last probe, for each branch, of 4 tokens and width 6: 4 bytes a value.
    const slack = 256
    expect((cache ?? NaN) - (plain ?? NaN)).toBeGreaterThanOrEqual(2 * 5 * 4 * 6 * 4 - slack)
    expect(memoryWork(one, kept, 0.001)).toEqual([])
  })

  it('finds its pictures again when captions are added behind them', async () => {
    const one = await ground('whole')
    const more = { ...one, stage: { ...stage, captions: [...stage.captions, 'jklmnop'] } }
    expect(pictureOf(more, 2, settings[1]!)).toEqual(pictureOf(one, 2, settings[1]!))
    expect(pictureOf(more, 3, settings[1]!)).toBeUndefined()
  })

  it('measures a caption anew when anything about the run is another', async () => {
    const one = await ground('whole')
    expect(pictureOf({ ...one, convergedSteps: 30 }, 0, settings[1]!)).toBeUndefined()
    expect(pictureOf({ ...one, stage: { ...stage, guidance: 2 } }, 0, settings[1]!)).toBeUndefined()
    expect(pictureOf(one, 0, cached(0.4))).toBeUndefined()
    expect(pictureOf(one, 0, settings[1]!)).toBeDefined()
  })
})
