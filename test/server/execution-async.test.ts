/** Nodes that wait, side by side and by expansion; progress and who hears of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Graph, run, submit, type Placed } from './graph.ts'
import { Client, EXECUTION_PACK, get, post, serveFresh, type TestServer } from './harness.ts'

const SIZE = { height: 8, width: 8, batch_size: 1 }
let server: TestServer
let client: Client
let graph: Graph
let count = 0

beforeAll(async () => {
  server = await serveFresh(['--cache-lru', '0'], EXECUTION_PACK)
  client = await Client.connect(server)
  await get(server.url, '/object_info')
})
afterAll(async () => {
  client.close()
  await server.end()
})

const start = () => (graph = new Graph(`waiting-${++count}`))
const go = () => run(server, client, graph)
const image = (content: 'BLACK' | 'WHITE') => graph.node('StubImage', { content, ...SIZE })
const sleep = (value: Placed, seconds: number) => graph.node('TestSleep', { value: value.out(0), seconds })
const show = (node: Placed) => graph.node('PreviewImage', { images: node.out(0) })
const mean = (...nodes: Placed[]) =>
  graph.node('TestVariadicAverage', Object.fromEntries(nodes.map((node, i) => [`input${i + 1}`, node.out(0)])))
/** Milliseconds between the start and the end of a prompt, by its own events. */
const took = (id: string) =>
  Number(client.event(id, 'execution_success')?.['timestamp']) -
  Number(client.event(id, 'execution_start')?.['timestamp'])

describe('nodes that wait', () => {
  it('run side by side, pass values on, and are cached', async () => {
    start()
    const black = image('BLACK')
    const sleeps = [0.4, 0.5, 0.6].map((seconds) => sleep(black, seconds))
    const outputs = sleeps.map(show)
    const result = await go()
    expect(took(result.id)).toBeLessThan(1400)
    expect(sleeps.every((node) => result.ran(node))).toBe(true)
    expect(await result.pictures(outputs[0]!)).toEqual([[0, 0]])
    const again = await go()
    expect(sleeps.some((node) => again.ran(node))).toBe(false)
    expect(took(again.id)).toBeLessThan(400)
  })

  it('are waited for by what needs them, synchronous or not', async () => {
    start()
    const first = mean(sleep(image('BLACK'), 0.1), sleep(image('WHITE'), 0.1))
    const second = mean(sleep(first, 0.1), image('BLACK'))
    const output = show(second)
    expect(await (await go()).pictures(output)).toEqual([[63, 63]])
  })

  it('may check their inputs slowly', async () => {
    for (const [type, limit] of [
      ['TestAsyncValidation', 'threshold'],
      ['TestAsyncValidationError', 'max_value'],
    ] as const) {
      start()
      const node = graph.node(type, { value: 5, [limit]: 10 })
      show(node)
      expect((await go()).ran(node)).toBe(true)
      node.inputs['value'] = 15
      const { status, json } = await submit(server, graph)
      expect([status, json.node_errors[node.id]?.errors[0]?.type]).toEqual([400, 'custom_validation_failed'])
    }
  })

  it('are not run where a lazy input is not needed; may ask slowly themselves', async () => {
    start()
    const [needed, spared] = [sleep(image('BLACK'), 0.1), sleep(image('WHITE'), 5)]
    const mask = graph.node('StubMask', { value: 0, ...SIZE })
    const inputs = { image1: needed.out(0), image2: spared.out(0), mask: mask.out(0) }
    show(graph.node('TestLazyMixImages', inputs))
    const asking = graph.node('TestAsyncLazyCheck', { input1: 'value1', input2: spared.out(0), condition: true })
    show(asking)
    const linked = graph.node('TestAsyncLazyCheck', { input1: 'value1', input2: needed.out(0), condition: false })
    show(linked)
    const result = await go()
    expect([result.ran(needed), result.ran(spared), result.ran(asking), result.ran(linked)]).toEqual([
      true,
      false,
      true,
      true,
    ])
    expect(result.error).toBeUndefined()
  })

  it('tell of a failure that comes while the engine lets messages in', async () => {
    start()
    const failing = graph.node('TestBusyError', { value: image('BLACK').out(0), busy: 0.03 })
    show(failing)
    const { error } = await go()
    expect(error).toMatchObject({ node_id: failing.id, node_type: 'TestBusyError' })
    expect(error?.['exception_message']).toContain('after hard work')
  })

  it('tell of their failure, and the next prompt runs', async () => {
    start()
    const failing = graph.node('TestAsyncError', { value: image('BLACK').out(0), error_after: 0.05 })
    show(failing)
    expect((await go()).error).toMatchObject({ node_id: failing.id, node_type: 'TestAsyncError' })
    start()
    show(graph.node('TestAsyncTimeout', { value: image('BLACK').out(0), timeout: 0.1, operation_time: 5 }))
    expect((await go()).error?.['exception_message']).toContain('timeout')
    start()
    const black = image('BLACK')
    const failed = graph.node('TestSyncError', { value: black.out(0) })
    show(sleep(black, 5))
    show(failed)
    const started = Date.now()
    expect((await go()).error).toMatchObject({ node_id: failed.id })
    expect(Date.now() - started).toBeLessThan(2000)
    start()
    show(sleep(image('WHITE'), 0.05))
    expect((await go()).error).toBeUndefined()
  })

  it('heed blocks in lists', async () => {
    start()
    const pictures = graph.node('TestMakeListNode', {
      value1: sleep(image('BLACK'), 0.05).out(0),
      value2: sleep(image('WHITE'), 0.05).out(0),
    })
    const numbers = graph.node('TestMakeListNode', { value1: 1, value2: 2 })
    const isTwo = graph.node('TestIntConditions', { a: numbers.out(0), b: 2, operation: '==' })
    const inputs = { input: pictures.out(0), block: isTwo.out(0), verbose: false }
    const output = show(graph.node('TestExecutionBlocker', inputs))
    expect(await (await go()).pictures(output)).toEqual([[0, 0]])
  })

  it('come by expansion, under the node that made them', async () => {
    start()
    const pictures = ['BLACK', 'WHITE', 'WHITE'].map((content) => image(content as 'BLACK').out(0))
    const parallel = graph.node('TestParallelSleep', {
      ...Object.fromEntries(pictures.map((picture, i) => [`image${i + 1}`, picture])),
      ...{ sleep1: 0.4, sleep2: 0.5, sleep3: 0.6 },
    })
    const output = show(parallel)
    const result = await go()
    expect(result.ran(parallel)).toBe(true)
    expect(took(result.id)).toBeLessThan(1400)
    expect(await result.pictures(output)).toEqual([[170, 170]])
    const inner = client.log.filter(
      ({ type, data: d }) => type === 'executing' && d['prompt_id'] === result.id && d['display_node'] === parallel.id,
    )
    expect(inner.map(({ data: d }) => d['node'])).toEqual([
      parallel.id,
      ...[0, 1, 2, 3].map((i) => `${parallel.id}.0.0.${i}`),
    ])
    const states = client.log.filter(({ type, data: d }) => type === 'progress_state' && d['prompt_id'] === result.id)
    const last = states.at(-1)?.data['nodes'] as Record<string, unknown>
    expect(last[`${parallel.id}.0.0.0`]).toMatchObject({
      ...{ state: 'finished', display_node_id: parallel.id, parent_node_id: parallel.id, real_node_id: parallel.id },
    })
    start()
    const generated = graph.node('TestDynamicAsyncGeneration', {
      ...{ image1: image('BLACK').out(0), image2: image('WHITE').out(0), num_async_nodes: 5, sleep_duration: 0.3 },
    })
    show(generated)
    expect(took((await go()).id)).toBeLessThan(1000)
  })

  it('hold resources one at a time where they say so', async () => {
    start()
    const value = image('BLACK').out(0)
    const users = [0, 1, 2].map((i) =>
      graph.node('TestAsyncResourceUser', { value, resource_id: `resource_${i}`, duration: 0.05 }),
    )
    const limited = [0, 1, 2].map((id) => graph.node('TestAsyncConcurrentLimit', { value, duration: 0.1, node_id: id }))
    for (const node of [...users, ...limited]) show(node)
    const result = await go()
    expect(result.error).toBeUndefined()
    expect(took(result.id)).toBeGreaterThan(190)
    const again = await go()
    expect([...users, ...limited].some((node) => again.ran(node))).toBe(false)
  })

  it('stop at once when the prompt is interrupted', async () => {
    start()
    const sleeping = sleep(image('BLACK'), 30)
    show(sleeping)
    const id = (await submit(server, graph, { client_id: client.id })).json.prompt_id
    await client.until(({ type, data: d }) => type === 'progress' && d['prompt_id'] === id)
    const started = Date.now()
    await post(server.url, '/interrupt', { prompt_id: id })
    await client.ended(id)
    expect(Date.now() - started).toBeLessThan(1000)
    expect(client.event(id, 'execution_interrupted')).toMatchObject({ node_id: sleeping.id })
  })
})

describe('progress', () => {
  it('is heard by its owner alone, whole or as deltas', async () => {
    const [first, second] = [await Client.connect(server), await Client.connect(server)]
    const deltas = await Client.connect(server)
    deltas.send({ type: 'feature_flags', data: { supports_progress_deltas: true } })
    await deltas.until(({ type }) => type === 'feature_flags')
    const ids: string[] = []
    for (const listener of [first, second, deltas]) {
      start()
      for (const type of ['TestAsyncProgressUpdate', 'TestSyncProgressUpdate'])
        show(graph.node(type, { value: image('BLACK').out(0), sleep_seconds: 0.1 + ids.length / 100 }))
      ids.push((await run(server, listener, graph)).id)
    }
    const about = (listener: Client, kind: string) =>
      new Set(listener.log.filter(({ type }) => type === kind).map(({ data: d }) => d['prompt_id']))
    expect([about(first, 'progress_state'), about(second, 'progress_state')]).toEqual([
      new Set([ids[0]]),
      new Set([ids[1]]),
    ])
    expect([about(first, 'progress'), about(second, 'progress')]).toEqual([new Set([ids[0]]), new Set([ids[1]])])
    expect([about(deltas, 'heddle.progress'), about(deltas, 'progress_state')]).toEqual([new Set([ids[2]]), new Set()])
    const merged = Object.assign(
      {},
      ...deltas.log.flatMap(({ type, data: d }) => (type === 'heddle.progress' ? [d['nodes']] : [])),
    ) as Record<string, { state: string }>
    expect(new Set(Object.values(merged).map(({ state }) => state))).toEqual(new Set(['finished']))
    const whole = first.log.findLast(({ type }) => type === 'progress_state')?.data['nodes'] as typeof merged
    expect(Object.keys(whole)).toHaveLength(Object.keys(merged).length)
    for (const listener of [first, second, deltas]) listener.close()
  })
})
