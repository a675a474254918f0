/** Reports of sampling runs over HTTP: whole, cut short, kept over a restart, gone with their prompt, and no change to /history. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PromptReports } from '../../server/engine/samplings.ts'
import { chain, Client, entryOf, get, node, post, serve, serveFresh, type TestServer } from './harness.ts'

let server: TestServer
let client: Client

beforeAll(async () => {
  server = await serveFresh()
  client = await Client.connect(server)
})
afterAll(async () => {
  client.close()
  await server.end()
})

const sampling = (frames: number, seed: number) => ({
  1: node('TestPreview', { frames, seed }),
  3: node('TestShow', { value: ['1', 0] }),
})
const reportsOf = async (id: string) =>
  (await get(server.url, `/api/heddle/reports/${id}`)).json as unknown as PromptReports
type Summaries = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>
const summaries = async (query = '') => (await get(server.url, `/heddle/reports${query}`)).json as unknown as Summaries

describe('reports', () => {
  it('are kept whole, with the warnings of the nodes, and the history entry has nothing new in it', async () => {
    const id = await client.run(sampling(4, 1))
    const { reports, warnings } = await reportsOf(id)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({ node: '1', index: 0, complete: true })
    expect(reports[0]!.report).toMatchObject({
      method: 'TestPreview',
      params: { threshold: 0.2 },
      evaluations: 4,
      depth: 12,
      computedBlocks: 15,
      totalBlocks: 48,
      seconds: 0.25,
    })
    expect(reports[0]!.report.rows.map(({ evaluation, blocks, decision }) => [evaluation, blocks, decision])).toEqual([
      [0, 12, 'full'],
      [1, 1, 'skipped'],
      [2, 1, 'skipped'],
      [3, 1, 'skipped'],
    ])
    expect(reports[0]!.report).not.toHaveProperty('index')
    expect(reports[0]!.report).not.toHaveProperty('prompt_id')
    expect(warnings).toEqual([{ node: '1', message: 'nothing was computed' }])
    const entry = await entryOf(server.url, id)
    expect(Object.keys(entry).sort()).toEqual(['meta', 'outputs', 'prompt', 'status'])
    expect(entry.outputs).toEqual({ 3: { text: ['4'] } })
    expect(entry).toHaveProperty('meta', {
      3: { node_id: '3', display_node: '3', parent_node: null, real_node_id: '3' },
    })
  })

  it('of a node that samples twice are two, numbered', async () => {
    const id = await client.run({ ...sampling(3, 9), 1: node('TestPreview', { frames: 3, seed: 9, runs: 2 }) })
    const { reports } = await reportsOf(id)
    expect(reports.map(({ index, complete, report }) => [index, complete, report.rows.length])).toEqual([
      [0, true, 3],
      [1, true, 3],
    ])
  })

  it('of a sampler that is kept from an earlier prompt are there again', async () => {
    const first = await client.run(sampling(3, 21))
    const second = await client.run(sampling(3, 21))
    expect(client.event(second, 'execution_cached')).toMatchObject({ nodes: ['1', '3'] })
    expect(await reportsOf(second)).toEqual(await reportsOf(first))
    expect((await reportsOf(second)).reports[0]!.report.rows).toHaveLength(3)
    expect(client.event(second, 'heddle.warning')).toMatchObject({ node: '1', message: 'nothing was computed' })
  })

  it('of a run that was cut short hold the rows it got to', async () => {
    const id = await client.queue(sampling(100, 2))
    await client.until(({ type, data: d }) => type === 'heddle.cache' && d['prompt_id'] === id)
    await post(server.url, '/interrupt', { prompt_id: id })
    await client.ended(id)
    const [one] = (await reportsOf(id)).reports
    expect(one).toMatchObject({ complete: false, report: { evaluations: 100, totalBlocks: 1200 } })
    const { rows, computedBlocks } = one!.report
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.length).toBeLessThan(100)
    expect(computedBlocks).toBe(11 + rows.length)
  })

  it('of a prompt that sampled nothing are empty; of one that is not there, 404', async () => {
    const id = await client.run(chain(77))
    expect(await reportsOf(id)).toEqual({ reports: [], warnings: [] })
    expect((await get(server.url, '/heddle/reports/nobody')).status).toBe(404)
    expect(await summaries()).not.toHaveProperty(id)
  })

  it('are listed in short, as many of the newest as asked for', async () => {
    const [older, newer] = [await client.run(sampling(2, 3)), await client.run(sampling(3, 4))]
    const all = await summaries()
    expect(Object.keys(all).slice(-2)).toEqual([older, newer])
    expect(all[newer]).toEqual([
      {
        ...{ node: '1', index: 0, complete: true, method: 'TestPreview', evaluations: 3 },
        ...{ computedBlocks: 14, totalBlocks: 36, seconds: 0.25, warnings: ['nothing was computed'] },
      },
    ])
    expect(Object.keys(await summaries('?max_items=1'))).toEqual([newer])
    expect((await get(server.url, '/heddle/reports?max_items=-1')).status).toBe(400)
  })

  it('survive a restart, and go when their prompt is removed from the history', async () => {
    const id = await client.run(sampling(5, 5))
    const before = await reportsOf(id)
    client.close()
    await server.stop()
    server = await serve(server.data)
    client = await Client.connect(server)
    expect(await reportsOf(id)).toEqual(before)
    await post(server.url, '/history', { delete: [id] })
    expect((await get(server.url, `/heddle/reports/${id}`)).status).toBe(404)
    expect(Object.keys(await summaries()).length).toBeGreaterThan(0)
    await post(server.url, '/history', { clear: true })
    expect(await summaries()).toEqual({})
  })
})
