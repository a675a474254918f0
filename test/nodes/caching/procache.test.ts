/** ProCache against its published control flow: patterns, token choice and refreshing by hand, and a retelling on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, UnmetNeedsError } from '../../../diffusion/caching/contract.ts'
import { chooseTokens, tokensInLine, tokensToRefresh } from '../../../diffusion/caching/token-choice.ts'
import node, { proCache, type ProCacheParams } from '../../../nodes/caching/procache.ts'
import {
  candidates,
  fullSteps,
  modesOf,
  parseSegments,
  RELEASED,
  searched,
} from '../../../nodes/caching/tables/procache.ts'
import { fakeTransformer } from '../../fixtures/fake-model.ts'
import { runFake } from '../../diffusion/caching/run.ts'
import { BLOCKS, DEPTH, eulerLoop, moduleModel, type Answer, type Output } from './module-oracle.ts'

const knobs: ProCacheParams = {
  preset: 'custom',
  enabled: true,
  budget: 0.34,
  fewest_reuses: 1,
  most_reuses: 3,
  pattern: '',
  refresh: true,
  depth_share: 0.25,
  token_ratio: 0.07,
  importance: 'output',
  force_last: true,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
}
const cacheOf = (settings: Partial<ProCacheParams>) => configure(proCache, { ...knobs, ...settings })
const LETTERS = { full: '1', reuse: '0', selective: '2' } as const
const marked = (lengths: readonly number[], total: number) =>
  modesOf(fullSteps(lengths, total), total)
    .map((mode) => LETTERS[mode])
    .join('')

describe('patterns', () => {
  it('every second reuse after a full evaluation refreshes tokens', () => {
    expect(marked([5, 3], 8)).toBe('10202102')
  })

  it.each([
    ['the main setting', 50, { budget: 11, fewest: 2, most: 5 }, 21],
    ["the class's defaults", 50, { budget: 13, fewest: 1, most: 4 }, 25],
    ['the DiT shape', 50, { budget: 17, fewest: 1, most: 3 }, 9],
    ['the PixArt shape', 20, { budget: 7, fewest: 1, most: 2 }, 1],
  ])('%s leaves %i evaluations %j: %i patterns', (_, total, constraints, count) => {
    const found = candidates(total, constraints)
    expect(found).toHaveLength(count)
    expect(new Set(found.map(String)).size).toBe(count)
    for (const lengths of found) {
      expect(lengths).toHaveLength(constraints.budget)
      expect(lengths.reduce((sum, one) => sum + one, 0)).toBe(total)
      expect(lengths).toEqual([...lengths].sort((a, b) => b - a))
      expect(Math.max(...lengths)).toBeLessThanOrEqual(constraints.most + 1)
      expect(Math.min(...lengths)).toBeGreaterThanOrEqual(constraints.fewest + 1)
    }
  })

  it('the released patterns are among the candidates, with their counts', () => {
    const keys = candidates(50, { budget: 17, fewest: 1, most: 3 }).map(String)
    expect(keys).toContain(String(RELEASED.dit))
    const counts = (letters: string) => ['1', '2', '0'].map((one) => letters.split(one).length - 1)
    expect(counts(marked(RELEASED.dit, 50))).toEqual([17, 10, 23])
    expect(counts(marked(RELEASED.flux, 50))).toEqual([9, 18, 23])
    expect(counts(marked([3, 3, 3, 3, 3, 3, 3, 3, ...Array<number>(13).fill(2)], 50))).toEqual([21, 8, 21])
  })

  it('the search takes the one nearest to a straight line, and gives way where none fits', () => {
    expect(searched(50, { budget: 17, fewest: 1, most: 3 })).toEqual(
      [...RELEASED.dit].map((_, i) => (i < 4 ? 4 : i < 12 ? 3 : 2)),
    )
    expect(searched(20, { budget: 1, fewest: 1, most: 3 })).toEqual([4, 4, 4, 4, 4])
    expect(searched(20, { budget: 19, fewest: 1, most: 3 })).toEqual(Array(10).fill(2))
    expect(searched(3, { budget: 1, fewest: 1, most: 1 })).toEqual([2, 1])
  })

  it('texts are read, and patterns stretched to the run', () => {
    expect(parseSegments(' 4x2, 3 2x1')).toEqual([4, 4, 3, 2])
    for (const text of ['', 'x', '4x', '0x3', '4x6;', '-1', '4 x2']) expect(parseSegments(text)).toBeNull()
    expect([...fullSteps([5, 3, 2], 20)]).toEqual([0, 10, 16])
    expect([...fullSteps([5, 3, 2], 5)]).toEqual([0, 3, 4])
    expect(node.validate?.({ pattern: '4y' })).toHaveProperty('pattern')
    expect(node.validate?.({ pattern: '4x2', start: 0, end: 1 })).toBeUndefined()
  })
})

describe('tokens to refresh', () => {
  it.each([
    [12, [1, 2, 2]],
    [18, [25, 26, 27]],
    [26, [57, 60, 62]],
    [35, [93, 97, 101]],
    [11, [0, 0, 0]],
    [0, [0, 0, 0]],
  ])('at step %i of 50, of 256 in blocks 21, 24 and 27 of 28: %j', (index, expected) => {
    expect([21, 24, 27].map((block) => tokensToRefresh(256, 0.07, block, 28, { index, total: 50 }))).toEqual(expected)
  })

  it('are the best by importance and idle time, the best of a cell favoured', () => {
    const selection = { importance: Float64Array.of(0.5, 0.5, 0.5, 0.5), idle: Int32Array.of(0, 1, 2, 0) }
    expect(chooseTokens(selection, 2, 2)).toEqual([1, 2])
    expect([...selection.idle]).toEqual([1, 0, 0, 1])
    // 4 x 2 places in cells of 2 x 2: one of the lesser cell passes the second of the better one.
    const cells = { importance: Float64Array.of(9, 8, 1, 1, 1, 1, 6, 1), idle: new Int32Array(8) }
    expect(chooseTokens(cells, 2, 4)).toEqual([0, 6])
    expect(chooseTokens(cells, 0, 4)).toEqual([])
    expect([...cells.idle]).toEqual([1, 2, 2, 2, 2, 2, 1, 2])
  })

  it('odd pictures have cells of less than four tokens; no importance at all is no fault', () => {
    const nothing = { importance: new Float64Array(5), idle: Int32Array.of(0, 0, 3, 0, 0) }
    expect(chooseTokens(nothing, 1, 1)).toEqual([2])
    expect(tokensInLine([1, 16, 128, 64], 64 * 32)).toBe(32)
    expect(tokensInLine([1, 16, 5, 30, 52], 5 * 15 * 26)).toBe(26)
  })
})

/** ProCache as the notes tell it: full, reuse and selective evaluations of one branch. */
async function retold(steps: number, pattern: string, ratio: number) {
  const model = await moduleModel()
  let kept: Record<string, Output> = {}
  const score: Record<number, number[]> = {}
  const idle: Record<number, number[]> = {}
  return eulerLoop(steps, async (i, latent, sigma) => {
    const mode = pattern[i]
    const chosen = (block: number): number[] => {
      const s = score[block]!
      const size = Math.sqrt(s.reduce((sum, one) => sum + one * one, 0))
      const z = s.map((one, t) => one / size + (0.25 * idle[block]![t]!) / 4)
      // Four tokens are one cell.
      z[z.indexOf(Math.max(...z))]! *= 1.6
      const share = ratio * (0.8 + (0.4 * block) / 7) * (3 - (4 * (steps - 1 - i)) / steps) * 2.5
      const k = Math.floor(4 * Math.min(1, Math.max(0, share)))
      const best = z
        .map((_, t) => t)
        .sort((a, b) => z[b]! - z[a]! || a - b)
        .slice(0, k)
      idle[block] = idle[block]!.map((n, t) => (best.includes(t) ? 0 : n + 1))
      return best.sort((a, b) => a - b)
    }
    const { rows, outputs } = await model.blocks(await model.embed(latent, sigma), (kind, block): Answer => {
      if (mode === '1') return 'run'
      const output = kept[`${kind}.${block}`]!
      return mode === '2' && kind === 'mlp' && block >= 6 ? { output, refresh: chosen(block) } : { output }
    })
    if (mode === '1')
      for (const block of BLOCKS) {
        const { image } = outputs[`attn.${block}`]!
        score[block] = [0, 1, 2, 3].map((t) => Math.hypot(...image.slice(6 * t, 6 * t + 6)))
        idle[block] = [0, 0, 0, 0]
      }
    kept = outputs
    return model.head(rows)
  })
}

describe('retold on the fake model', () => {
  it.each([
    ['paper', 50, { preset: 'paper' } as const, RELEASED.dit, 0.07],
    ['a pattern of its own', 16, { pattern: '5 4 4 3', token_ratio: 0.3, force_last: false }, [5, 4, 4, 3], 0.3],
  ])('%s, %i steps', async (_, steps, settings, lengths, ratio) => {
    const pattern = marked(lengths, steps)
    const { samples, report } = await runFake({ cache: cacheOf(settings), steps, guidance: 1 })
    const told = await retold(steps, pattern, ratio)
    samples.data.forEach((value, i) => expect(value).toBeCloseTo(told[i]!, 5))
    const without = await runFake({
      cache: cacheOf({ ...settings, preset: 'custom', pattern: lengths.join(' '), force_last: false, refresh: false }),
      steps,
      guidance: 1,
    })
    expect(Math.max(...samples.data.map((value, i) => Math.abs(value - without.samples.data[i]!)))).toBeGreaterThan(
      2e-5,
    )
    report.rows.forEach(({ modules, decision }, i) => {
      expect([i, modules['attn']]).toEqual([i, pattern[i] === '1' ? DEPTH : 0])
      if (pattern[i] === '0') expect([decision, modules['mlp']]).toEqual(['skipped', 0])
      if (pattern[i] === '2') expect(modules['mlp']).toBeLessThan(2)
    })
    expect(report.rows.some(({ decision }) => decision === 'partial')).toBe(true)
  })

  it('a forecast follows each module: the released FLUX setting takes the first three in full', async () => {
    const { report } = await runFake({ cache: cacheOf({ preset: 'official-flux' }), steps: 50, guidance: 1 })
    const full = report.rows.filter(({ decision }) => decision === 'full').map(({ evaluation }) => evaluation)
    expect(full).toEqual([0, 1, 2, 6, 12, 18, 24, 30, 35, 40, 45])
    expect(report.rows.filter(({ decision }) => decision === 'partial')).toEqual([])
    const model = await moduleModel()
    const history: { at: number; outputs: Record<string, Output> }[] = []
    const told = await eulerLoop(16, async (i, latent, sigma) => {
      const computes = [0, 1, 2, 6, 12].includes(i)
      const [b, a] = [history.at(-2), history.at(-1)]
      const line = (older: readonly number[], newer: readonly number[]) =>
        newer.map((value, n) => (b ? value + ((i - a!.at) * (value - older[n]!)) / (a!.at - b.at) : value))
      const { rows, outputs } = await model.blocks(await model.embed(latent, sigma), (kind, block) => {
        const key = `${kind}.${block}`
        if (computes) return 'run'
        const [older, newer] = [(b ?? a)!.outputs[key]!, a!.outputs[key]!]
        return { output: { image: line(older.image, newer.image), text: line(older.text, newer.text) } }
      })
      if (computes) history.push({ at: i, outputs: { ...outputs } })
      return model.head(rows)
    })
    const settings = { pattern: '1 1 4 6 4', forecast: 1, force_last: false }
    const { samples } = await runFake({ cache: cacheOf(settings), steps: 16, guidance: 1 })
    samples.data.forEach((value, i) => expect(value).toBeCloseTo(told[i]!, 4))
  })
})

describe('what it needs and leaves open', () => {
  it('refuses a model without modules, and attention mass where it cannot be had', async () => {
    const transformer = fakeTransformer({ modules: ['attn'] })
    await expect(runFake({ cache: cacheOf({}), transformer })).rejects.toThrow(/ProCache needs 'mlp' outputs/)
    const blind = fakeTransformer({ taps: ['modulated'] })
    await expect(runFake({ cache: cacheOf({ preset: 'official' }), transformer: blind })).rejects.toThrow(
      UnmetNeedsError,
    )
    await expect(runFake({ cache: cacheOf({ preset: 'official' }), transformer: blind })).rejects.toThrow(
      /'attention mass'/,
    )
    expect(blind.runs).toEqual([])
  })

  it('an evaluation that gives nothing finite leaves nothing to reuse', async () => {
    const transformer = fakeTransformer()
    const { run } = transformer
    let evaluation = -1
    transformer.run = async (part, rows, shared) => {
      if (part.kind === 'embed') evaluation++
      // The latents that come of it are mended, so that later evaluations are finite.
      const { latent } = rows
      const mended = latent && { ...latent, data: latent.data.map((value) => (Number.isNaN(value) ? 0.5 : value)) }
      const out = await run(part, { ...rows, ...(mended && { latent: mended }) }, shared)
      const { prediction } = out
      return evaluation === 4 && prediction
        ? { prediction: { ...prediction, data: prediction.data.map(() => NaN) } }
        : out
    }
    const { report } = await runFake({ cache: cacheOf({ pattern: '4x4' }), steps: 16, guidance: 1, transformer })
    expect(report.rows[4]!.decision).toBe('full')
    expect(report.rows[5]).toMatchObject({ decision: 'full', forced: 'no-anchor' })
    expect(report.rows[6]!.decision).not.toBe('full')
  })
})
