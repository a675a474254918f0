/** The rules that every caching method keeps, whatever its paper says, as tests over a fake model that counts its work. */
import { describe, expect, it } from 'vitest'
import { UnmetNeedsError, type CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import type { SamplingResult } from '../../../diffusion/sampling-types.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import {
  FAKE_LATENT,
  fakeConditioning,
  fakeTransformer,
  type FakeOptions,
  type FakeTransformer,
} from '../../fixtures/fake-model.ts'
import { decisions, runFake as runAny, untimed, type FakeRunOptions } from './run.ts'
import { guardedTransformer, lendingTransformer } from './hostile.ts'

/** A method under the suite. */
export interface Subject {
  readonly name: string
  /** Settings that forbid any reuse, each for its own reason ('threshold 0', 'disabled', ...). */
  readonly forbidding: Readonly<Record<string, CacheConfiguration>>
  /** Settings that skip a good part of 16 steps and never the last. */
  readonly eager: CacheConfiguration
  /** Eager, but only inside this window. */
  readonly inWindow: (start: number, end: number) => CacheConfiguration | Promise<CacheConfiguration>
  /** Settings a model without cuts cannot serve, or null when the method runs on any model. */
  readonly demanding: CacheConfiguration | null
  /** The fake model that it is tried on; that of eight blocks with everything to offer where absent. */
  readonly model?: FakeOptions
  /** True for methods whose branches share a decision by design (one is estimated from the other). */
  readonly coupled?: boolean
}

/** The fake model of a subject, and runs of it. */
function on({ model = {} }: Subject) {
  const fake = (options: FakeOptions = {}): FakeTransformer => fakeTransformer({ ...model, ...options })
  return { fake, runFake: (options: FakeRunOptions = {}) => runAny({ transformer: fake(), ...options }) }
}

const reuses = ({ report }: SamplingResult): boolean =>
  report.rows.some(({ decision }) => decision === 'skipped' || decision === 'partial')

function offRules(subject: Subject): void {
  const { forbidding } = subject
  const { fake, runFake } = on(subject)
  for (const [why, cache] of Object.entries(forbidding))
    it(`${why}: the plain run, bit for bit`, async () => {
      const [plain, cached] = [await runFake({ batch: 2 }), await runFake({ batch: 2, cache })]
      expect(cached.samples.data).toEqual(plain.samples.data)
      expect(cached.report.computedBlocks).toBe(plain.report.totalBlocks)
    })

  it('taken away, it leaves nothing behind: the next run is the plain run', async () => {
    const transformer = fake()
    const plain = await runFake()
    for (const cache of Object.values(forbidding)) await runFake({ cache, transformer, steps: 5 })
    const after = await runFake({ transformer })
    expect(after.samples.data).toEqual(plain.samples.data)
  })
}

/** Runs that differ in everything a user changes between two prompts. */
const DIFFERENT: readonly FakeRunOptions[] = [
  { seed: 1n },
  { seed: 2n, size: [2, 3] },
  { seed: 3n, batch: 2, size: [3, 4] },
  { seed: 4n, steps: 23 },
  { seed: 5n, guidance: 1, size: [5, 1] },
  { seed: 6n, samplerName: 'heun', batch: 3, steps: 10 },
  { seed: 7n, denoise: 0.6, steps: 18 },
]

function runRules(subject: Subject): void {
  const { eager } = subject
  const { fake, runFake } = on(subject)
  it('a second run of one configuration repeats the first, decisions and all', async () => {
    const [first, second] = [await runFake({ cache: eager }), await runFake({ cache: eager })]
    expect(second.samples.data).toEqual(first.samples.data)
    expect(untimed(second)).toEqual(untimed(first))
  })

  it('other sizes, batches, steps and seeds, one after another and at the same time: each run as if it were alone, and none without reuse', async () => {
    const forth: SamplingResult[] = []
    const back: SamplingResult[] = []
    const [first, then, transformer] = [fake(), fake(), fake()]
    for (const options of DIFFERENT) forth.push(await runFake({ ...options, cache: eager, transformer: first }))
    for (const options of DIFFERENT.toReversed())
      back.unshift(await runFake({ ...options, cache: eager, transformer: then }))
    const together = await Promise.all(DIFFERENT.map((options) => runFake({ ...options, cache: eager, transformer })))
    for (const others of [back, together]) {
      expect(others.map(untimed)).toEqual(forth.map(untimed))
      expect(others.map(({ samples }) => samples)).toEqual(forth.map(({ samples }) => samples))
    }
    expect(forth.map(reuses)).toEqual(DIFFERENT.map(() => true))
  })

  it('a run after an aborted one is as if it were the first', async () => {
    const transformer = fake()
    const fresh = await runFake({ cache: eager })
    const controller = new AbortController()
    const onRows = () => controller.abort()
    await expect(runFake({ cache: eager, transformer, signal: controller.signal, onRows })).rejects.toThrow()
    expect((await runFake({ cache: eager, transformer })).samples.data).toEqual(fresh.samples.data)
  })

  it('the first evaluation is full and the last is computed, with any sampler', async () => {
    for (const samplerName of samplers.keys()) {
      const run = await runFake({ cache: eager, samplerName })
      const letters = decisions(run)
      expect(run.report.rows[0]).toMatchObject({ decision: 'full', blocks: 8 })
      expect(letters.length).toBe(run.report.evaluations)
      expect(letters.at(-1)).toBe('C')
    }
  })
}

function reportRules(subject: Subject): void {
  const { eager } = subject
  const { fake, runFake } = on(subject)
  it('eager settings compute strictly less, and the report counts what was really run', async () => {
    const transformer = fake()
    const run = await runFake({ cache: eager, transformer, batch: 2 })
    expect(reuses(run)).toBe(true)
    expect(run.report.computedBlocks).toBeLessThan(run.report.totalBlocks)
    // The fake counts where it runs a module, in shares of a block.
    expect(transformer.blockRows()).toBeCloseTo(run.report.computedBlocks, 6)
  })

  it('every evaluation of every sample and branch is answered once, and called what it was', async () => {
    const { report } = await runFake({ cache: eager, batch: 2 })
    const keys = report.rows.map(({ evaluation, sample, branch }) => `${evaluation} ${sample} ${branch}`)
    expect(new Set(keys).size).toBe(16 * 2 * 2)
    expect(keys).toHaveLength(16 * 2 * 2)
    for (const { decision, blocks, forced } of report.rows) {
      if (decision === 'full' || decision === 'resumed') expect(blocks).toBe(8)
      else expect(blocks).toBeLessThan(decision === 'skipped' ? 8 : 9)
      if (forced !== undefined) expect(['full', 'resumed']).toContain(decision)
    }
  })
}

function branchRules(subject: Subject): void {
  const { eager, coupled } = subject
  const { runFake } = on(subject)
  it('runs with and without guidance', async () => {
    for (const guidance of [0, 1, 3]) expect(reuses(await runFake({ cache: eager, guidance }))).toBe(true)
  })
  if (coupled) return

  it('the conditional branch decides the same whether or not the other is there', async () => {
    // Guidance 0 follows the unconditional branch alone; with both prompts equal the path is that of guidance 1.
    const same = { positive: [fakeConditioning(1)], negative: [fakeConditioning(1)] }
    const one = await runFake({ ...same, cache: eager, guidance: 1 })
    const two = await runFake({ ...same, cache: eager, guidance: 2 })
    expect(decisions(two, 0, 'cond')).toBe(decisions(one))
    expect(decisions(two, 0, 'uncond')).toBe(decisions(one))
    expect(two.samples.data).toEqual(one.samples.data)
  })

  it('each branch keeps its own state', async () => {
    const guided = await runFake({ cache: eager, guidance: 0 })
    const swapped = await runFake({ cache: eager, guidance: 1, positive: [fakeConditioning(2)] })
    expect(decisions(guided, 0, 'uncond')).toBe(decisions(swapped))
    expect(guided.samples.data).toEqual(swapped.samples.data)
  })

  it('which prompt is called conditional makes no difference', async () => {
    // u + g (c - u) = c + (1 - g) (u - c): the same path with the branches exchanged, whatever each of them keeps.
    const [positive, negative] = [[fakeConditioning(1)], [fakeConditioning(2)]]
    const one = await runFake({ cache: eager, positive, negative, guidance: 3 })
    const two = await runFake({ cache: eager, positive: negative, negative: positive, guidance: -2 })
    expect(decisions(two, 0, 'uncond')).toBe(decisions(one))
    expect(decisions(two)).toBe(decisions(one, 0, 'uncond'))
    one.samples.data.forEach((value, i) => expect(two.samples.data[i]).toBeCloseTo(value, 3))
  })
}

function sampleRules(subject: Subject): void {
  const { eager } = subject
  const { runFake } = on(subject)
  it('a batch of three is three single runs, decisions included', async () => {
    const noise = normalNoise(5n, [3, ...FAKE_LATENT])
    // One sample is quiet, so that the samples decide differently.
    noise.data.subarray(8, 16).forEach((value, i, part) => (part[i] = value * 0.05))
    const batch = await runFake({ cache: eager, batch: 3, noise })
    for (const sample of [0, 1, 2]) {
      const own = { data: noise.data.slice(sample * 8, sample * 8 + 8), shape: [1, ...FAKE_LATENT] }
      const single = await runFake({ cache: eager, noise: own })
      expect(decisions(batch, sample)).toBe(decisions(single))
      expect(decisions(batch, sample, 'uncond')).toBe(decisions(single, 0, 'uncond'))
      expect(batch.samples.data.slice(sample * 8, sample * 8 + 8)).toEqual(single.samples.data)
    }
  })
}

function robustnessRules(subject: Subject): void {
  const { eager, demanding } = subject
  const { fake, runFake } = on(subject)
  it.each([
    ['tokens that never change', { timeScale: 0 }],
    ['tokens that are all zero', { timeScale: 0, embedScale: 0 }],
  ])('%s give finite numbers', async (_, options) => {
    const noise = zeros([1, ...FAKE_LATENT])
    const { samples } = await runFake({ cache: eager, noise, transformer: fake(options), steps: 20 })
    expect(samples.data.every(Number.isFinite)).toBe(true)
  })

  it('inputs of a run are not written to', async () => {
    const noise = normalNoise(3n, [1, ...FAKE_LATENT])
    const before = noise.data.slice()
    await runFake({ cache: eager, noise, transformer: guardedTransformer(subject.model) })
    expect(noise.data).toEqual(before)
  })

  it('what it keeps is its own: buffers that the model writes again are not relied on', async () => {
    const [own, lent] = [fake(), lendingTransformer(subject.model)].map((transformer) =>
      runFake({ cache: eager, guidance: 1, transformer }),
    )
    expect((await lent!).samples.data).toEqual((await own!).samples.data)
  })

  if (demanding)
    it('a model that cannot offer what it needs is refused before anything runs', async () => {
      const transformer = fake({ cuts: [] })
      await expect(runFake({ cache: demanding, transformer })).rejects.toThrow(UnmetNeedsError)
      expect(transformer.runs).toEqual([])
    })
}

function windowRules(subject: Subject): void {
  const { inWindow } = subject
  const { runFake } = on(subject)
  it.each([
    [0, 0.5],
    [0.3, 0.7],
    [0.5, 1],
  ])('outside its window, here from %d to %d of the noise range, everything is computed', async (start, end) => {
    const run = await runFake({ cache: await inWindow(start, end), steps: 20 })
    const outside = run.report.rows.filter(({ sigma }) => 1 - sigma < start - 1e-9 || 1 - sigma > end + 1e-9)
    expect(outside.length).toBeGreaterThan(0)
    expect(outside.map(({ blocks }) => blocks)).toEqual(outside.map(() => 8))
    expect(reuses(run)).toBe(true)
  })
}

/** Declares the suite for one method. */
export function conformance(subject: Subject): void {
  describe(`${subject.name} keeps the rules of every cache`, () => {
    offRules(subject)
    runRules(subject)
    reportRules(subject)
    branchRules(subject)
    sampleRules(subject)
    robustnessRules(subject)
    windowRules(subject)
  })
}
