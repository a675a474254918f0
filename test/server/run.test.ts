/** Running prompts over HTTP and websocket: the order of events, the memo, errors, interrupts, previews. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chain, Client, entryOf, get, node, post, serveFresh, type TestServer } from './harness.ts'

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

const NORMAL = [
  'execution_start',
  'execution_cached',
  'executing 1',
  'executing 2',
  'executing 3',
  'executed 3',
  'execution_success',
  'executing null',
]

describe('a prompt', () => {
  it('runs in order, and its history is there before the end is told', async () => {
    const from = client.log.length
    const id = await client.queue(chain(10))
    await client.until(({ type, data: d }) => type === 'execution_success' && d['prompt_id'] === id)
    await client.ended(id)
    expect(client.story(id)).toEqual(NORMAL)
    expect(client.event(id, 'executed')).toMatchObject({ output: { text: ['11'] } })
    // An engine that comes up meanwhile is told too; ComfyUI's own events keep their order.
    const types = client.log.slice(from).flatMap(({ type }) => (type === 'heddle.nodes' ? [] : type))
    // That it is queued and that it is taken may be told together.
    const start = types.indexOf('execution_start')
    expect(types.slice(0, start)).toSatisfy(
      (told: string[]) => told.length > 0 && told.every((type) => type === 'status'),
    )
    expect(types.slice(-3)).toEqual(['execution_success', 'status', 'executing'])
    // Asked once, without waiting: clients look as soon as they hear the end.
    const { json } = await get(server.url, `/history/${id}`)
    expect(json).toHaveProperty([id])
    const entry = await entryOf(server.url, id)
    expect(entry.status).toMatchObject({ status_str: 'success', completed: true })
    expect(entry.outputs).toEqual({ 3: { text: ['11'] } })
    expect(entry.status.messages.map(([type]) => type)).toEqual(NORMAL.filter((one) => /_/.test(one)))
  })

  it('takes everything from the memo the second time, and only what changed the third', async () => {
    await client.run(chain(20))
    const again = await client.run(chain(20))
    expect(client.event(again, 'execution_cached')).toMatchObject({ nodes: ['1', '2', '3'] })
    expect(client.story(again)).toEqual([
      'execution_start',
      'execution_cached',
      'executed 3',
      'execution_success',
      'executing null',
    ])
    const changed = { ...chain(20), 2: node('TestAdd', { a: ['1', 0], b: 5 }) }
    const third = await client.run(changed)
    expect(client.event(third, 'execution_cached')).toMatchObject({ nodes: ['1'] })
    expect(client.event(third, 'executed')).toMatchObject({ output: { text: ['25'] } })
  })

  it('tells a failing node with its inputs, keeps what was done, and runs the next', async () => {
    const failing = {
      ...chain(30),
      4: node('TestFail', { value: ['2', 0], message: 'böse' }),
      5: node('TestShow', { value: ['4', 0] }),
    }
    const id = await client.run(failing)
    expect(client.event(id, 'execution_error')).toMatchObject({
      node_id: '4',
      node_type: 'TestFail',
      exception_type: 'RangeError',
      exception_message: 'böse\n',
      current_inputs: { value: [31], message: ['böse'] },
    })
    expect(client.story(id).slice(-2)).toEqual(['execution_error', 'executing null'])
    const again = await client.run(failing)
    // The failed node is not memoised, what came before it is.
    expect(client.event(again, 'execution_cached')).toMatchObject({
      nodes: expect.arrayContaining(['1', '2']) as unknown,
    })
    expect(client.story(again)).toContain('executing 4')
    const entry = await entryOf(server.url, id)
    expect(entry.status).toMatchObject({ status_str: 'error', completed: false })
    await client.run(chain(31))
  })

  it('starts nodes that only wait side by side', async () => {
    const sleepers = Object.fromEntries(
      ['a', 'b', 'c'].flatMap((name) => [
        [name, node('TestSleep', { value: ['1', 0], seconds: 0.5 })],
        [`show ${name}`, node('TestShow', { value: [name, 0] })],
      ]),
    )
    const started = Date.now()
    // Equal keys would make one run do for all three, so each waits a little longer than the one before.
    sleepers['b']!.inputs = { value: ['1', 0], seconds: 0.51 }
    sleepers['c']!.inputs = { value: ['1', 0], seconds: 0.52 }
    const id = await client.run({ 1: node('TestConst', { value: Date.now() % 1000 }), ...sleepers })
    expect(Date.now() - started).toBeLessThan(1400)
    expect(client.story(id).slice(3, 6)).toEqual(['executing a', 'executing b', 'executing c'])
  })

  it('sends progress, previews and cache decisions of its nodes', async () => {
    const modern = await Client.connect(server)
    modern.send({ type: 'feature_flags', data: { supports_preview_metadata: true } })
    await modern.until(({ type }) => type === 'feature_flags')
    for (const [listener, frame] of [
      [client, 'frame 1'],
      [modern, 'frame 4'],
    ] as const) {
      const seed = Math.floor(Math.random() * 1e9)
      const id = await listener.run({
        1: node('TestPreview', { frames: 4, seed }),
        2: node('TestShow', { value: ['1', 0] }),
      })
      const previews = listener.log.filter(({ type }) => type === frame)
      expect(previews.length).toBeGreaterThan(0)
      const bytes = previews[0]!.data['bytes'] as Buffer
      const picture = frame === 'frame 1' ? bytes.subarray(8) : bytes.subarray(8 + bytes.readUInt32BE(4))
      expect([...picture.subarray(0, 2)]).toEqual([0xff, 0xd8])
      if (frame === 'frame 4')
        expect(JSON.parse(bytes.toString('utf8', 8, 8 + bytes.readUInt32BE(4)))).toMatchObject({
          node_id: '1',
          prompt_id: id,
        })
      const progress = listener.log.filter(({ type, data: d }) => type === 'progress' && d['prompt_id'] === id)
      expect(progress.at(-1)!.data).toMatchObject({ value: 4, max: 4, node: '1' })
      const rows = listener.log.filter(({ type, data: d }) => type === 'heddle.cache' && d['prompt_id'] === id)
      expect(rows).toHaveLength(4)
      expect(listener.event(id, 'heddle.warning')).toMatchObject({ node: '1', message: 'nothing was computed' })
      const types = listener.log.map(({ type }) => type)
      expect(types.lastIndexOf(frame)).toBeLessThan(types.lastIndexOf('execution_success'))
    }
    modern.close()
  })

  it('sends no previews of a prompt that asks for none', async () => {
    const frames = () => client.log.filter(({ type }) => type === 'frame 1').length
    for (const [preview_method, some] of [
      ['none', false],
      ['latent2rgb', true],
      ['default', true],
    ] as const) {
      const before = frames()
      const prompt = {
        1: node('TestPreview', { frames: 4, seed: Math.floor(Math.random() * 1e9) }),
        2: node('TestShow', { value: ['1', 0] }),
      }
      await client.run(prompt, { extra_data: { preview_method } })
      expect(frames() > before, preview_method).toBe(some)
    }
  })

  it('keeps 64-bit seeds exact from the prompt to the node and the history', async () => {
    const prompt = `{"1":{"class_type":"TestConst","inputs":{"value":1}},"2":{"class_type":"TestSave","inputs":{"value":["1",0],"noise_seed":18446744073709551615,"filename_prefix":"deep/seed"}}}`
    const answer = await post(server.url, '/prompt', `{"client_id":"${client.id}","prompt":${prompt}}`)
    await client.ended(answer.json.prompt_id)
    const { text } = await get(server.url, `/history/${answer.json.prompt_id}`)
    expect(text).toContain('"noise_seed":18446744073709551615')
    const file = await get(server.url, '/view?filename=seed_00001_.txt&subfolder=deep')
    expect(file.text).toBe('2: 1 18446744073709551615 bigint')
    const info = await get(server.url, '/object_info/TestSave')
    expect(info.text).toContain('"max":18446744073709551615')
  })

  it('runs 10,000 nodes in a chain', async () => {
    const long: Record<string, unknown> = { 0: node('TestConst', { value: 0 }) }
    for (let i = 1; i < 10_000; i++) long[i] = node('TestAdd', { a: [String(i - 1), 0], b: 1 })
    long['end'] = node('TestShow', { value: ['9999', 0] })
    const id = await client.run(long)
    expect(client.event(id, 'executed')).toMatchObject({ output: { text: ['9999'] } })
  })
})

describe('interrupting', () => {
  const sleeper = (seconds: number) => ({
    1: node('TestConst', { value: Math.floor(Math.random() * 1e6) }),
    2: node('TestSleep', { value: ['1', 0], seconds }),
    3: node('TestShow', { value: ['2', 0] }),
  })

  it('stops the running prompt only, and the next one runs', async () => {
    const first = await client.queue(sleeper(30))
    const second = await client.queue(chain(40))
    await client.until(({ type, data: d }) => type === 'executing' && d['node'] === '2' && d['prompt_id'] === first)
    await post(server.url, '/interrupt', { prompt_id: second })
    const started = Date.now()
    await post(server.url, '/interrupt', { prompt_id: first })
    await client.ended(first)
    expect(Date.now() - started).toBeLessThan(2000)
    expect(client.event(first, 'execution_interrupted')).toMatchObject({ node_id: '2', node_type: 'TestSleep' })
    const entry = await entryOf(server.url, first)
    expect(entry.status).toMatchObject({ status_str: 'error', completed: false })
    await client.ended(second)
    expect(client.story(second)).toContain('execution_success')
  })

  it('does nothing when nothing runs', async () => {
    const { status, text } = await post(server.url, '/interrupt', '')
    expect([status, text]).toEqual([200, ''])
    const id = await client.run(chain(41))
    expect(client.story(id)).toContain('execution_success')
  })

  it('removes pending prompts without a trace, in the order they would have run', async () => {
    const running = await client.queue(sleeper(30))
    const [late, early] = [await client.queue(chain(50)), await client.queue(chain(51), { front: true })]
    const { json } = await get(server.url, '/queue')
    expect(json.queue_running.map((item) => item[1])).toEqual([running])
    expect(json.queue_pending.map((item) => item[1])).toEqual([early, late])
    await post(server.url, '/queue', { delete: [late, 'unknown'] })
    await post(server.url, '/interrupt', {})
    await client.ended(early)
    expect((await get(server.url, `/history/${late}`)).json).toEqual({})
    expect((await get(server.url, '/prompt')).json).toEqual({ exec_info: { queue_remaining: 0 } })
  })
})

it('two sockets with one id both hear, also after one has closed', async () => {
  const [first, second] = [await Client.connect(server, 'twin'), await Client.connect(server, 'twin')]
  const id = await second.run(chain(60))
  await first.ended(id)
  first.close()
  const again = await second.run(chain(61))
  expect(second.story(again)).toEqual(NORMAL)
  second.close()
})
