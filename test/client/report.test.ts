/** What the report panel shows: time per step, thresholds, several runs of one node, and the reports of finished prompts. */
import { describe, expect, it } from 'vitest'
import { parseEvent } from '../../client/sdk/events.ts'
import { reportSummaries, storedReports } from '../../client/sdk/reports.ts'
import { Runs } from '../../client/model/runs.ts'
import { timeChart } from '../../client/model/time-chart.ts'
import { COLORS, thresholdOf, type WeaveRow, type WeaveRun } from '../../client/model/weave.ts'
import { summaryText } from '../../client/reports.ts'
import { Samplings } from '../../server/engine/samplings.ts'
import { stringifyExact } from '../../server/json.ts'

const row = (evaluation: number, more: Partial<WeaveRow> = {}): WeaveRow => ({
  ...{ evaluation, sample: 0, branch: 'cond', sigma: 1, decision: 'full', blocks: 12, milliseconds: 10 },
  ...{ modules: { attn: 12 }, flops: 5 },
  ...more,
})
const run: WeaveRun = {
  ...{ evaluations: 4, depth: 12, method: 'DiCache', params: { threshold: 0.2 }, index: 0, end: null },
  rows: [row(0), row(0, { branch: 'uncond', milliseconds: 30 }), row(1, { decision: 'skipped', milliseconds: 4 })],
}

describe('the time chart', () => {
  it('stacks the rows of a step from the bottom, the longest step as high as the box', () => {
    const { bars, top } = timeChart(run, { width: 100, height: 40 })!
    expect(top).toBe(40)
    expect(bars.map(({ x, y, height }) => [x, y, height])).toEqual([
      [0, 30, 10],
      [0, 0, 30],
      [25, 36, 4],
    ])
    expect(bars[2]).toMatchObject({ color: COLORS.skipped })
    expect(bars[0]!.title).toBe('Step 1: 40.0 ms; cond 10.0 ms (full)')
  })
  it('is not there when no time was spent', () =>
    expect(timeChart({ ...run, rows: [row(0, { milliseconds: 0 })] }, { width: 9, height: 9 })).toBeNull())
})

describe('the threshold', () => {
  it('is the one the run was set to, or none', () => {
    expect(thresholdOf(run)).toBe(0.2)
    expect(thresholdOf({ ...run, params: { interval: 3 } })).toBeNull()
    expect(thresholdOf({ ...run, params: { threshold: 'high' } })).toBeNull()
    expect(thresholdOf({ ...run, params: { reuse_threshold: 0.3 } })).toBe(0.3)
    expect(thresholdOf({ ...run, params: { preset: 'paper', threshold: 0.3 } })).toBeNull()
  })
})

const plan = { evaluations: 4, depth: 12, method: 'DiCache', params: { threshold: 0.3 } }
const live = (runs: Runs, type: string, data: object): void => {
  const event = parseEvent({ type, data: { prompt_id: 'p', node: '6', ...data } })
  if (!event) throw new Error(`refused: ${type}`)
  runs.apply(event, 0)
}

describe('a node that samples more than once', () => {
  it('shows its newest run, with its sums once it has ended', () => {
    const runs = new Runs()
    live(runs, 'heddle.cache', { run: { ...plan, index: 0 }, rows: [row(0), row(1)] })
    live(runs, 'heddle.sampled', { index: 0, seconds: 2, totalFlops: 40, warnings: ['slow'] })
    expect(runs.of('6').weave).toMatchObject({ index: 0, end: { seconds: 2, totalFlops: 40, warnings: ['slow'] } })
    live(runs, 'heddle.cache', { run: { ...plan, index: 1 }, rows: [row(0)] })
    expect(runs.of('6').weave).toMatchObject({ index: 1, end: null, params: { threshold: 0.3 } })
    expect(runs.of('6').weave!.rows).toHaveLength(1)
    expect(runs.of('6').earlier.map(({ index, rows }) => [index, rows.length])).toEqual([[0, 2]])
    live(runs, 'heddle.sampled', { index: 0, seconds: 9 })
    expect(runs.of('6').weave!.end).toBeNull()
    expect(runs.samplers).toEqual(['6'])
  })

  it('keeps what it proposes for the nodes before it', () => {
    const runs = new Runs()
    const heddle_settings = [{ input: 'cache', values: { threshold: 0.25 } }]
    live(runs, 'executed', { output: { text: ['done'], heddle_settings } })
    expect(runs.of('6')).toMatchObject({ texts: ['done'], proposals: heddle_settings })
    live(runs, 'executed', { output: { heddle_settings: [{ input: 1 }] } })
    expect(runs.of('6').proposals).toEqual([])
  })
})

describe('reports of finished prompts', () => {
  const plan = { family: 'flux', samples: 1, branches: ['cond'], evaluations: 2, depth: 12, method: 'DiCache' } as const
  const noted = (...events: readonly { type: string; data: Readonly<Record<string, unknown>> }[]): unknown => {
    const samplings = new Samplings()
    for (const { type, data } of events) samplings.note({ type, data: { node: '6', prompt_id: 'p', ...data } })
    return JSON.parse(stringifyExact(samplings.all))
  }
  const cache = {
    type: 'heddle.cache',
    data: { run: { ...plan, params: { threshold: 0.3 }, index: 0 }, rows: [row(0), row(1, { drift: Infinity })] },
  }
  const sums = { computedBlocks: 24, totalBlocks: 24, computedFlops: 10, totalFlops: 10, seconds: 3, warnings: ['w'] }
  const sampled = { type: 'heddle.sampled', data: { ...plan, params: { threshold: 0.3 }, index: 0, ...sums } }

  it('are read as the server writes them', () => {
    const [one, ...others] = storedReports(noted(cache, sampled))
    expect(others).toEqual([])
    expect(one).toMatchObject({ node: '6', run: { method: 'DiCache', index: 0, end: { seconds: 3, warnings: ['w'] } } })
    expect(one!.run.rows).toHaveLength(2)
    expect(one!.run.rows[1]).not.toHaveProperty('drift')
    expect(thresholdOf(one!.run)).toBe(0.3)
  })

  it('of runs cut short have no end', () => {
    const [one] = storedReports(noted(cache))
    expect(one!.run).toMatchObject({ end: null })
    expect(storedReports(noted())).toEqual([])
    expect(() => storedReports({ reports: [{ node: 1 }] })).toThrow()
  })

  it('are summed up in a few words', () => {
    const all = reportSummaries({
      p: [{ node: '6', method: 'DiCache', computedBlocks: 10, totalBlocks: 25, extra: 1 }],
    })
    expect(all.get('p')!.map(summaryText)).toEqual(['DiCache 2.50×'])
    expect(summaryText({ node: '6', method: null, computedBlocks: 1, totalBlocks: 1, warnings: [] })).toBe('')
  })
})
