/** The weave's geometry and counts, the drift chart, and the states that events leave on nodes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEvent, parseFrame } from '../../client/sdk/events.ts'
import { driftChart } from '../../client/model/drift-chart.ts'
import { Runs } from '../../client/model/runs.ts'
import { addRows, cells, inWords, threads, totals, type WeaveRow, type WeaveRun } from '../../client/model/weave.ts'

const row = (evaluation: number, more: Partial<WeaveRow> = {}): WeaveRow => ({
  evaluation,
  sample: 0,
  branch: 'cond',
  sigma: 1 - evaluation / 4,
  decision: 'full',
  blocks: 12,
  modules: { attn: 12, mlp: 12 },
  flops: 1e9,
  milliseconds: 10,
  ...more,
})
const run: WeaveRun = {
  evaluations: 4,
  depth: 12,
  method: 'DiCache',
  params: { threshold: 0.2 },
  index: 0,
  end: null,
  rows: [
    row(0, { forced: 'first' }),
    row(0, { branch: 'uncond' }),
    row(1, { decision: 'skipped', blocks: 1, accumulated: 0.1 }),
    row(1, { branch: 'uncond', decision: 'skipped', blocks: 1 }),
    row(2, { decision: 'resumed', accumulated: 0.3 }),
  ],
}
const box = { x: 10, y: 20, width: 200, height: 52 }

describe('the weave', () => {
  it('has a cell per evaluation and branch, filled by the share of blocks that ran', () => {
    const list = cells(run, box)
    expect(list.length).toBe(8)
    const at = (evaluation: number, branch: string) =>
      list.find((cell) => cell.evaluation === evaluation && cell.thread.branch === branch)!
    expect(at(0, 'cond').share).toBe(1)
    expect(at(1, 'uncond').share).toBeCloseTo(1 / 12)
    expect(at(3, 'cond').row).toBeNull()
    expect(at(0, 'cond').y).toBeLessThan(at(0, 'uncond').y)
    expect(at(2, 'cond').probe).toBeCloseTo(1 / 12)
    expect(at(0, 'cond').probe).toBeNull()
  })

  it('stays inside its box, cells of a thread one after another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 8 }), (evaluations, samples) => {
        const rows = Array.from({ length: samples }, (_, sample) => row(0, { sample }))
        const list = cells({ ...run, evaluations, rows }, box)
        const strays = list.filter(
          ({ x, y, width, height }) =>
            x < box.x || x + width > box.x + box.width + 1e-9 || y + height > box.y + box.height + 1e-9 || width <= 0,
        )
        expect(strays).toEqual([])
      }),
    )
  })

  it('counts what was done', () => {
    expect(totals(run)).toEqual({
      rows: 5,
      full: 2,
      resumed: 1,
      skipped: 2,
      partial: 0,
      blocks: 38,
      plain: 60,
      modules: { attn: 60, mlp: 60 },
      flops: 5e9,
      seconds: 0.05,
    })
    expect(inWords(run)).toBe('DiCache: 5 of 8 cells, 2 full, 1 resumed, 2 skipped; 38 of 60 blocks computed')
    expect(threads(run).map((thread) => thread.label)).toEqual(['cond', 'uncond'])
  })

  it('takes the same rows twice without counting them twice', () => {
    expect(addRows(run, run.rows)).toEqual(run)
  })

  it('draws drift against the threshold', () => {
    const chart = driftChart(run, 0.2, { width: 100, height: 50 })!
    expect(chart.points.length).toBe(2)
    expect(chart.points[0]!.y).toBeGreaterThan(chart.line!)
    expect(chart.points[1]!.y).toBeLessThan(chart.line!)
    expect(driftChart({ ...run, rows: [row(0)] }, 0.2, { width: 100, height: 50 })).toBeNull()
  })
})

describe('events', () => {
  const apply = (runs: Runs, type: string, data: unknown, now = 0): void => {
    const event = parseEvent({ type, data })
    if (!event) throw new Error(`refused: ${type}`)
    runs.apply(event, now)
  }

  it('fill the states of nodes', () => {
    const runs = new Runs()
    apply(runs, 'execution_start', { prompt_id: 'p' })
    apply(runs, 'executing', { node: '6', display_node: '6', prompt_id: 'p' }, 1000)
    apply(runs, 'progress', { value: 2, max: 4, node: '6', prompt_id: 'p' })
    const rows = [{ ...row(0), drift: null }]
    apply(runs, 'heddle.cache', { prompt_id: 'p', node: '6', run: { evaluations: 4, depth: 12, method: null }, rows })
    apply(runs, 'heddle.warning', { prompt_id: 'p', node: '6', message: 'Nothing was skipped.' })
    expect(runs.of('6')).toMatchObject({
      running: true,
      progress: { value: 2, max: 4 },
      warnings: ['Nothing was skipped.'],
    })
    expect(runs.of('6').weave!.rows[0]).not.toHaveProperty('drift')
    apply(runs, 'executing', { node: '9', prompt_id: 'p' }, 3500)
    expect(runs.of('6')).toMatchObject({ running: false, progress: null, seconds: 2.5 })
    apply(runs, 'executed', {
      node: '9',
      prompt_id: 'p',
      output: { images: [{ filename: 'a.png', subfolder: '', type: 'output' }] },
    })
    expect(runs.of('9').images.length).toBe(1)
    apply(runs, 'execution_error', { prompt_id: 'p', node_id: '9', exception_message: 'Disk full.\n' })
    expect(runs.of('9').faults).toEqual([{ message: 'Disk full.', input: null }])
  })

  it('start a new weave with a new prompt', () => {
    const runs = new Runs()
    const data = (prompt_id: string, evaluation: number) => ({
      prompt_id,
      node: '6',
      run: { evaluations: 4, depth: 12, method: null },
      rows: [row(evaluation)],
    })
    apply(runs, 'heddle.cache', data('a', 0))
    apply(runs, 'heddle.cache', data('a', 1))
    expect(runs.of('6').weave!.rows.length).toBe(2)
    apply(runs, 'heddle.cache', data('b', 0))
    expect(runs.of('6').weave!.rows.length).toBe(1)
  })

  it('of nodes inside a subgraph show on its instance', () => {
    const runs = new Runs()
    apply(runs, 'executing', { node: '5:6', prompt_id: 'p' })
    expect(runs.of(5).running).toBe(true)
  })

  it('that make no sense are refused, unknown ones named', () => {
    expect(parseEvent({ type: 'progress', data: { value: 'x' } })).toBeNull()
    expect(parseEvent({ type: 'logs', data: {} })).toEqual({ type: 'other', data: 'logs' })
    expect(parseEvent('hello')).toBeNull()
  })

  it('bring pictures in frames of kind 1 and 4', async () => {
    const metadata = new TextEncoder().encode(JSON.stringify({ node_id: '6', image_type: 'image/png' }))
    const four = new Uint8Array(8 + metadata.length + 3)
    new DataView(four.buffer).setUint32(0, 4)
    new DataView(four.buffer).setUint32(4, metadata.length)
    four.set(metadata, 8)
    four.set([1, 2, 3], 8 + metadata.length)
    const frame = parseFrame(four.buffer)!
    expect(frame.node).toBe('6')
    expect(new Uint8Array(await frame.picture.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]))
    const one = new Uint8Array([0, 0, 0, 1, 0, 0, 0, 2, 9])
    expect(parseFrame(one.buffer)).toMatchObject({ node: null, picture: { type: 'image/png', size: 1 } })
    new DataView(four.buffer).setUint32(4, 4_000_000_000)
    expect(parseFrame(four.buffer)).toBeNull()
    expect(parseFrame(new ArrayBuffer(3))).toBeNull()
  })
})
