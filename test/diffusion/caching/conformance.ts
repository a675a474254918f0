/** The rules that every caching method keeps, whatever its paper says, as tests over a fake model that counts its work. */
import { describe, expect, it } from 'vitest'
import { UnmetNeedsError, type CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import type { Rows } from '../../../diffusion/families/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers } from '../../../diffusion/registry.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import { FAKE_LATENT, fakeConditioning, fakeTransformer } from '../../fixtures/fake-model.ts'
import { decisions, runFake, untimed } from './run.ts'

/** A method under the suite. */
export interface Subject {
  readonly name: string
  /** Settings that forbid any reuse, each for its own reason ('threshold 0', 'disabled', ...). */
  readonly forbidding: Readonly<Record<string, CacheConfiguration>>
  /** Settings that skip a good part of 16 steps and never the last. */
  readonly eager: CacheConfiguration
  /** Eager, but only inside this window. */
  readonly inWindow: (start: number, end: number) => CacheConfiguration
  /** Settings a model without cuts cannot serve, or null when the method runs on any model. */
  readonly demanding: CacheConfiguration | null
}

/** A transformer that fails the test when a run changes the tensors it was given. */
function guardedTransformer() {
  const inner = fakeTransformer()
  const copy = (rows: Rows) => Object.values(rows).map(({ data }) => data.slice())
  return {
    ...inner,
    async run(...[part, rows, shared]: Parameters<typeof inner.run>) {
      const before = copy(rows)
      const out = await inner.run(part, rows, shared)
      expect(copy(rows)).toEqual(before)
      return out
    },
  }
}

function offRules({ forbidding }: Subject): void {
  for (const [why, cache] of Object.entries(forbidding))
    it(`${why}: the plain run, bit for bit`, async () => {
      const [plain, cached] = [await runFake({ batch: 2 }), await runFake({ batch: 2, cache })]
      expect(cached.samples.data).toEqual(plain.samples.data)
      expect(cached.report.computedBlocks).toBe(plain.report.totalBlocks)
    })
}

function runRules({ eager }: Subject): void {
  it('a second run of one configuration repeats the first, decisions and all', async () => {
    const [first, second] = [await runFake({ cache: eager }), await runFake({ cache: eager })]
    expect(second.samples.data).toEqual(first.samples.data)
    expect(untimed(second)).toEqual(untimed(first))
  })

  it('runs at the same time on one model do not meet', async () => {
    const transformer = fakeTransformer()
    const alone = [await runFake({ cache: eager, seed: 1n }), await runFake({ cache: eager, seed: 2n })]
    const together = await Promise.all([1n, 2n].map((seed) => runFake({ cache: eager, seed, transformer })))
    expect(together.map((run) => run.samples.data)).toEqual(alone.map((run) => run.samples.data))
    expect(together.map(untimed)).toEqual(alone.map(untimed))
  })

  it('a run after another size and an aborted one is as if it were the first', async () => {
    const transformer = fakeTransformer()
    const fresh = await runFake({ cache: eager })
    await runFake({ cache: eager, transformer, batch: 3, steps: 7 })
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

  it('eager settings compute strictly less, and the report counts what was really run', async () => {
    const transformer = fakeTransformer()
    const { report } = await runFake({ cache: eager, transformer, batch: 2 })
    expect(decisions({ report, samples: zeros([1]) })).toContain('.')
    expect(report.computedBlocks).toBeLessThan(report.totalBlocks)
    expect(transformer.blockRows()).toBe(report.computedBlocks)
  })
}

function independenceRules({ eager }: Subject): void {
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

function robustnessRules({ eager, inWindow, demanding }: Subject): void {
  it.each([
    ['tokens that never change', { timeScale: 0 }],
    ['tokens that are all zero', { timeScale: 0, embedScale: 0 }],
  ])('%s give finite numbers', async (_, options) => {
    const noise = zeros([1, ...FAKE_LATENT])
    const { samples } = await runFake({ cache: eager, noise, transformer: fakeTransformer(options), steps: 20 })
    expect(samples.data.every(Number.isFinite)).toBe(true)
  })

  it('inputs of a run are not written to', async () => {
    const noise = normalNoise(3n, [1, ...FAKE_LATENT])
    const before = noise.data.slice()
    await runFake({ cache: eager, noise, transformer: guardedTransformer() })
    expect(noise.data).toEqual(before)
  })

  it('outside its window everything is computed', async () => {
    const { report } = await runFake({ cache: inWindow(0.3, 0.7), steps: 20 })
    const outside = report.rows.filter(({ sigma }) => 1 - sigma < 0.3 || 1 - sigma > 0.7)
    const inside = report.rows.filter((row) => !outside.includes(row))
    expect(outside.map(({ blocks }) => blocks)).toEqual(outside.map(() => 8))
    expect(inside.some(({ decision }) => decision === 'skipped')).toBe(true)
  })

  if (demanding)
    it('a model that cannot offer what it needs is refused before anything runs', async () => {
      const transformer = fakeTransformer({ cuts: [] })
      await expect(runFake({ cache: demanding, transformer })).rejects.toThrow(UnmetNeedsError)
      expect(transformer.runs).toEqual([])
    })
}

/** Declares the suite for one method. */
export function conformance(subject: Subject): void {
  describe(`${subject.name} keeps the rules of every cache`, () => {
    offRules(subject)
    runRules(subject)
    independenceRules(subject)
    robustnessRules(subject)
  })
}
