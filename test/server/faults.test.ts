/** What goes wrong around the engine and the server: crashes, hangs, kill -9, a second server, a damaged database. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  chain,
  Client,
  entryOf,
  freshData,
  get,
  heddle,
  historyOf,
  node,
  post,
  remaining,
  removeData,
  serve,
  type TestServer,
} from './harness.ts'

const number = () => Math.floor(Math.random() * 1e6)
const around = (middle: unknown) => ({
  1: node('TestConst', { value: number() }),
  2: middle,
  3: node('TestShow', { value: ['2', 0] }),
})

describe('the engine', () => {
  let server: TestServer
  let client: Client
  let data: string

  beforeAll(async () => {
    data = await freshData()
    server = await serve(data, ['--grace', '1'])
    client = await Client.connect(server)
  })
  afterAll(async () => {
    client.close()
    await server.stop()
    await removeData(data)
  })

  it('a prompt that kills it twice fails with that reason, and the next one runs', async () => {
    const id = await client.queue(around(node('TestCrash', { value: ['1', 0], once: '' })))
    const next = await client.queue(chain(1))
    await client.ended(id)
    const error = client.event(id, 'execution_error')
    expect(error).toMatchObject({ node_id: '2', node_type: 'TestCrash', exception_type: 'EngineDiedError' })
    expect(error!['exception_message']).toMatch(/2 attempts.*SIGKILL, as when the memory runs out/)
    expect(client.story(id).filter((type) => type === 'execution_start')).toHaveLength(2)
    await client.ended(next)
    expect(client.story(next)).toContain('execution_success')
  })

  it('a prompt that kills it once is run again', async () => {
    const once = join(data, 'crashed-once')
    const id = await client.run(around(node('TestCrash', { value: ['1', 0], once })))
    expect(client.story(id).slice(-2)).toEqual(['execution_success', 'executing null'])
    expect((await entryOf(server.url, id)).status.status_str).toBe('success')
  })

  it('is killed when a node does not hear the interrupt, and a new one takes over', async () => {
    const id = await client.queue(around(node('TestHang', { value: ['1', 0], seconds: 60 })))
    await client.until(({ type, data: d }) => type === 'executing' && d['node'] === '2' && d['prompt_id'] === id)
    const started = Date.now()
    await post(server.url, '/interrupt', {})
    // The server itself answers while the engine hangs.
    expect((await get(server.url, '/queue')).json.queue_running).toHaveLength(1)
    await client.ended(id)
    expect(Date.now() - started).toBeLessThan(4000)
    expect(client.event(id, 'execution_interrupted')).toMatchObject({ node_id: '2', node_type: 'TestHang' })
    const next = await client.run(chain(2))
    expect(client.story(next)).toContain('execution_success')
  })
})

describe('the server', () => {
  it('killed in the middle of a prompt, it loses nothing: all run after the restart, in order', async () => {
    const data = await freshData()
    const first = await serve(data)
    const before = await Client.connect(first)
    const running = await before.queue(around(node('TestSleep', { value: ['1', 0], seconds: 2 })), {
      client_id: 'back',
    })
    const waiting = [await before.queue(chain(10)), await before.queue(chain(11)), await before.queue(chain(12))]
    await post(first.url, '/queue', { delete: [waiting[1]] })
    expect(await first.stop('SIGKILL')).toBeNull()
    before.close()

    const second = await serve(data)
    const after = await Client.connect(second, 'back')
    await after.ended(running)
    await expect.poll(() => remaining(second.url)).toBe(0)
    const history = await historyOf(second.url)
    expect(Object.keys(history)).toEqual([running, waiting[0], waiting[2]])
    expect(Object.values(history).map(({ status }) => status.status_str)).toEqual(Array(3).fill('success'))
    // The counter goes on where it was.
    const later = await post(second.url, '/prompt', { prompt: chain(13) })
    expect(later.json.number).toBeGreaterThan(4)
    after.close()
    expect(await second.stop()).toBe(0)
    await removeData(data)
  })

  it('ends cleanly on SIGTERM while a prompt runs, which then waits for the next start', async () => {
    const data = await freshData()
    const first = await serve(data)
    const client = await Client.connect(first)
    const id = await client.queue(around(node('TestSleep', { value: ['1', 0], seconds: 30 })))
    await client.until(({ type }) => type === 'progress')
    const started = Date.now()
    expect(await first.stop('SIGTERM')).toBe(0)
    expect(Date.now() - started).toBeLessThan(5000)
    client.close()
    const second = await serve(data)
    const { json } = await get(second.url, '/queue')
    expect([...json.queue_running, ...json.queue_pending].map((item) => item[1])).toEqual([id])
    await second.stop()
    await removeData(data)
  })

  it('refuses a folder, or a port, that another server has', async () => {
    const data = await freshData()
    const server = await serve(data)
    const port = new URL(server.url).port
    const sameData = await heddle(['serve', '--port', '0', '--data', data])
    expect(sameData.code).toBe(1)
    expect(sameData.stderr).toContain('in use by another server')
    const other = await freshData()
    const samePort = await heddle(['serve', '--port', port, '--data', other])
    expect(samePort.code).toBe(1)
    expect(samePort.stderr).toContain(`Port ${port} is in use`)
    expect((await get(server.url, '/prompt')).status).toBe(200)
    await server.stop()
    await Promise.all([removeData(data), removeData(other)])
  })

  it('that fails after it has opened its database and its port says why and is gone', async () => {
    const data = await freshData()
    await mkdir(join(data, 'webhook-secret'))
    const { code, stderr, stdout } = await heddle(['serve', '--port', '0', '--data', data])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^heddle: The key of webhooks cannot be read: .*webhook-secret/m)
    await rm(join(data, 'webhook-secret'), { recursive: true })
    // What it had opened is free again.
    const server = await serve(data)
    expect(await server.stop()).toBe(0)
    await removeData(data)
  })

  it('moves a damaged database aside and starts with a new one', async () => {
    const data = await freshData()
    await writeFile(join(data, 'heddle.db'), Buffer.alloc(8192, 'no database at all '))
    const server = await serve(data)
    expect((await post(server.url, '/prompt', { prompt: chain(1) })).status).toBe(200)
    expect(server.stderr()).toContain('damaged')
    expect((await readdir(data)).some((name) => name.startsWith('heddle.db.corrupt-'))).toBe(true)
    await server.stop()
    await removeData(data)
  })

  it('listens on other addresses only with a token', async () => {
    const data = await freshData()
    const bare = await heddle(['serve', '--host', '0.0.0.0', '--port', '0', '--data', data])
    expect(bare.code).toBe(1)
    expect(bare.stderr).toContain('--token')
    await removeData(data)
  })
})
