/** Predicting a caching method from one recorded run: every method there is, against its real run. */
import { describe, expect, it } from 'vitest'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { recorder, tokensKept, type Recording } from '../../../diffusion/caching/recording.ts'
import { firstDivergence, replay, type PredictedRow } from '../../../diffusion/caching/replay.ts'
import type { ReportRow } from '../../../diffusion/caching/report-types.ts'
import { fakeTransformer } from '../../fixtures/fake-model.ts'
import { cachingNodes, configured, declarationsOf } from '../../nodes/caching/subject.ts'
import { runFake, type FakeRunOptions } from './run.ts'

const methods = await Promise.all(
  (await cachingNodes()).map(async (node) => {
    const [first] = await declarationsOf(node).catch(() => [])
    return first ? { name: node.definition.type, cache: await configured(node, first.eager) } : null
  }),
)
const found = methods.filter((one) => one !== null)
const dicache = found.find(({ name }) => name === 'DiCache')!.cache

const reused = ({ decision }: PredictedRow): boolean => decision === 'skipped' || decision === 'partial'
const untimed = ({ milliseconds: _, ...row }: ReportRow): PredictedRow => row

async function recorded(caches: readonly CacheConfiguration[], options: FakeRunOptions = {}, budget?: number) {
  const transformer = fakeTransformer()
  const tape = recorder(caches, options.batch ?? 1, budget)
  const run = await runFake({ ...options, transformer, cache: tape.cache })
  return { run, recording: tape.recording(), transformer }
}

/** Evaluation at which a sample's path leaves that of the full run: the one after its first reuse. */
const partedAt = (rows: readonly PredictedRow[], sample: number): number =>
  rows.find((row) => row.sample === sample && reused(row))?.evaluation ?? Infinity

describe.each(found)('$name, predicted', ({ cache }) => {
  it('the recording run is the plain run, bit for bit', async () => {
    const { run } = await recorded([cache], { batch: 2 })
    const plain = await runFake({ batch: 2 })
    expect(run.samples.data).toEqual(plain.samples.data)
    expect(run.report.warnings).toEqual([])
  })

  it('is right in every number up to and including the first reuse of each sample', async () => {
    const { recording, transformer } = await recorded([cache], { batch: 2 })
    const before = transformer.runs.length
    const prediction = await replay(recording, cache, transformer)
    expect(transformer.runs.length).toBe(before)
    const { report } = await runFake({ batch: 2, cache })
    expect(prediction.rows.length).toBe(report.rows.length)
    for (const sample of [0, 1]) {
      const parted = partedAt(report.rows, sample)
      expect(parted).toBeLessThan(16)
      const known = (rows: readonly PredictedRow[]) =>
        rows.filter((row) => row.sample === sample && row.evaluation <= parted)
      expect(known(prediction.rows)).toEqual(known(report.rows.map(untimed)))
    }
    const divergence = firstDivergence(prediction.rows, report.rows)
    if (divergence) expect(divergence.evaluation).toBeGreaterThan(partedAt(report.rows, divergence.sample))
    expect(prediction.totalBlocks).toBe(report.totalBlocks)
    expect(prediction.totalFlops).toBeCloseTo(report.totalFlops, 3)
    expect(prediction.computedBlocks / report.computedBlocks).toBeGreaterThan(0.5)
    expect(prediction.computedBlocks / report.computedBlocks).toBeLessThan(2)
  })

  it('asks the recording for nothing that was not recorded, with few tokens of many', async () => {
    const { recording, transformer } = await recorded([cache], { size: [6, 6] }, 10_000)
    const prediction = await replay(recording, cache, transformer)
    expect(prediction.rows.some(reused)).toBe(true)
  })
})

describe('a recording', () => {
  it('serves every value of a threshold: nothing skipped at 0, monotone, all that is free at a large one', async () => {
    const values = [0, 0.02, 0.05, 0.1, 0.2, 0.5, 5]
    const caches = values.map((threshold) => dicache.with({ threshold }))
    const { recording, transformer } = await recorded(caches)
    const shares: number[] = []
    for (const cache of caches) shares.push((await replay(recording, cache, transformer)).computedBlocks)
    expect(shares[0]).toBe(16 * 2 * 8)
    expect(shares).toEqual([...shares].sort((a, b) => b - a))
    expect(new Set(shares).size).toBeGreaterThan(3)
    // First and last in full, the probe for each of the others.
    expect(shares.at(-1)).toBe(2 * (2 * 8 + 14))
  })

  it('of samplers with two evaluations a step is replayed evaluation by evaluation', async () => {
    const { recording, transformer } = await recorded([dicache], { samplerName: 'heun' })
    const { report } = await runFake({ cache: dicache, samplerName: 'heun' })
    const { rows } = await replay(recording, dicache, transformer)
    expect(rows.map(({ evaluation }) => evaluation)).toEqual(report.rows.map(({ evaluation }) => evaluation))
  })

  it('keeps few of many tokens within its budget', async () => {
    const { recording } = await recorded([dicache], { size: [16, 16] }, 100_000)
    const kept = recording.samples[0]![0]!.branches.get('cond')!
    expect(recording.tokens?.get('cond')?.image).toBe(256)
    expect(kept.states.get(1)!.image.shape[1]).toBeLessThan(256)
    expect(valuesOf(recording)).toBeLessThan(200_000)
  })

  it('refuses what the method did not name among its needs', async () => {
    const { recording, transformer } = await recorded([dicache.with({ probe_depth: 2 })])
    await expect(replay(recording, dicache, transformer)).rejects.toThrow(/tokens at block 1/)
  })
})

function valuesOf({ samples }: Recording): number {
  const states = samples
    .flat()
    .flatMap(({ branches }) => [...branches.values()].flatMap((one) => [...one.states.values()]))
  return states.reduce((sum, { image, text }) => sum + image.data.length + (text?.data.length ?? 0), 0)
}

describe('tokensKept', () => {
  it('gives rising, distinct tokens, spread over rows and columns alike', () => {
    const kept = tokensKept(64 * 64, 64)
    expect(kept.length).toBe(64)
    expect([...new Set(kept)].sort((a, b) => a - b)).toEqual(kept)
    expect(new Set(kept.map((token) => token % 64)).size).toBeGreaterThan(30)
    expect(new Set(kept.map((token) => Math.floor(token / 64))).size).toBeGreaterThan(40)
    expect(tokensKept(5, 9)).toEqual([0, 1, 2, 3, 4])
  })
})

describe('firstDivergence', () => {
  const row = (evaluation: number, decision: ReportRow['decision']): ReportRow => ({
    ...{ evaluation, decision, sample: 0, branch: 'cond', sigma: 1, blocks: 1, modules: {}, flops: 1, milliseconds: 1 },
  })
  it('names the first evaluation whose decision differs', () => {
    const real = [row(0, 'full'), row(1, 'skipped'), row(2, 'resumed')]
    expect(firstDivergence(real, real)).toBeNull()
    const predicted = [row(0, 'full'), row(1, 'skipped'), row(2, 'skipped')]
    expect(firstDivergence(predicted, real)).toMatchObject({ evaluation: 2, predicted: 'skipped', real: 'resumed' })
  })
})
