/** Jobs by id over HTTP: waiting, order, pausing, cancelling, retrying, events, webhooks; and WebSocket events that were missed. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { isPublic, resolvePublic, webhookFault } from '../../server/guard/address.ts'
import { chain, entryOf, get, node, post, serve, serveFresh, type TestServer } from './harness.ts'

interface Job {
  readonly id: string
  readonly status: string
  readonly position: number | null
  readonly eta_seconds: number | null
  readonly nodes: Readonly<Record<string, { state: string; seconds: number | null; class_type: string }>>
  readonly outputs: Readonly<Record<string, unknown>>
  readonly error: Readonly<Record<string, unknown>> | null
  readonly jobs: readonly Job[]
  readonly pending: readonly string[]
  readonly running: readonly string[]
  readonly paused: boolean
  readonly cancelled: boolean
}

let server: TestServer
beforeAll(async () => {
  server = await serveFresh(['--webhook-allow-private'])
})
afterAll(() => server.end())

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; json: Job }> {
  const headers = { 'Content-Type': 'application/json' }
  const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) }
  const response = await fetch(`${server.url}/api/heddle${path}`, init)
  return { status: response.status, json: (await response.json()) as Job }
}
const sleeping = (seconds: number, value = Math.random()) => ({
  1: node('TestConst', { value: Math.floor(value * 1e6) }),
  2: node('TestSleep', { value: ['1', 0], seconds }),
  3: node('TestShow', { value: ['2', 0] }),
})
const submit = async (prompt: unknown, more: object = {}, query = '') =>
  (await ask('POST', `/jobs${query}`, { prompt, ...more })).json

describe('a job', () => {
  it('is waited for, and its nodes tell how long they took', async () => {
    const { status, json } = await ask('POST', '/jobs?wait=20', { prompt: sleeping(0.2) })
    expect([status, json.status, json.position]).toEqual([200, 'completed', null])
    expect(json.nodes['2']).toMatchObject({ class_type: 'TestSleep', state: 'finished' })
    expect(json.nodes['2']?.seconds).toBeGreaterThan(0.19)
    expect(json.nodes['2']?.seconds).toBeLessThan(2)
    expect(Object.keys(json.outputs)).toEqual(['3'])
    expect((await ask('GET', `/jobs/${json.id}`)).json.nodes).toEqual(json.nodes)
  })

  it('tells its place and how long it will take, moves, waits while the queue is paused, and is cancelled', async () => {
    await ask('POST', '/queue/pause')
    const [a, b, c] = [await submit(sleeping(0.2)), await submit(sleeping(0.2)), await submit(sleeping(0.2))]
    expect([a.position, b.position, c.position]).toEqual([1, 2, 3])
    expect((await ask('GET', `/jobs/${a.id}?wait=0.1`)).json.status).toBe('pending')
    await ask('POST', `/jobs/${c.id}/move`, { to: 'front' })
    await ask('POST', `/jobs/${a.id}/move`, { to: 'back' })
    expect((await ask('GET', '/queue')).json.pending).toEqual([c.id, b.id, a.id])
    await ask('POST', `/jobs/${a.id}/move`, { before: b.id })
    expect((await ask('GET', '/queue')).json).toEqual({ paused: true, running: [], pending: [c.id, a.id, b.id] })
    expect((await ask('POST', `/jobs/${a.id}/cancel`)).json.cancelled).toBe(true)
    expect((await ask('GET', `/jobs/${a.id}?wait=5`)).json.status).toBe('cancelled')
    expect((await ask('POST', `/jobs/${a.id}/cancel`)).json.cancelled).toBe(false)
    await ask('POST', '/queue/resume')
    const running = (await ask('GET', `/jobs/${b.id}`)).json
    expect(running.eta_seconds).toBeGreaterThan(0.05)
    expect(running.eta_seconds).toBeLessThan(5)
    expect((await ask('GET', `/jobs/${b.id}?wait=20`)).json.status).toBe('completed')
    const order = (await ask('GET', '/jobs?status=completed&limit=2')).json.jobs.map(({ id }) => id)
    expect(order).toEqual([b.id, c.id])
  })

  it('that waits is taken out by the routes of ComfyUI, and nothing of it is left', async () => {
    await ask('POST', '/queue/pause')
    const [a, b, c] = [await submit(sleeping(0.1)), await submit(sleeping(0.1)), await submit(sleeping(0.1))]
    const comfy = async (path: string, body?: unknown) => (await post(server.url, `/api/jobs${path}`, body ?? '')).text
    expect(await comfy(`/${a.id}/cancel`)).toBe('{"cancelled":true}')
    expect(await comfy(`/${a.id}/cancel`)).toBe('{"cancelled":false}')
    expect(await comfy('/cancel', { job_ids: [b.id, 'no-such-job'] })).toBe('{"cancelled":true}')
    expect(await comfy('/cancel', { job_ids: 'all' })).toContain('job_ids')
    expect(await comfy('/cancel', { job_ids: [c.id, 7] })).toContain('job_ids')
    expect((await ask('GET', '/queue')).json).toEqual({ paused: true, running: [], pending: [c.id] })
    for (const { id } of [a, b]) {
      expect((await get(server.url, `/history/${id}`)).text).toBe('{}')
      expect((await get(server.url, `/api/jobs/${id}`)).status).toBe(404)
    }
    await ask('POST', '/queue/resume')
    expect((await ask('GET', `/jobs/${c.id}?wait=10`)).json.status).toBe('completed')
  })

  it('that runs is cancelled by id, others are left alone, and it can be tried again', async () => {
    const [first, second] = [await submit(sleeping(30, 0.5)), await submit(sleeping(0.05))]
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await ask('POST', `/jobs/${first.id}/cancel`)).json.cancelled).toBe(true)
    expect((await ask('GET', `/jobs/${first.id}?wait=10`)).json.status).toBe('cancelled')
    expect((await ask('GET', `/jobs/${second.id}?wait=10`)).json.status).toBe('completed')
    const again = await ask('POST', `/jobs/${second.id}/retry`)
    expect([again.status, again.json.id === second.id]).toEqual([202, false])
    expect((await ask('GET', `/jobs/${again.json.id}?wait=10`)).json.status).toBe('completed')
  })

  it('tells why it failed', async () => {
    const prompt = {
      ...chain(1),
      4: node('TestFail', { value: ['2', 0], message: 'no' }),
      5: node('TestShow', { value: ['4', 0] }),
    }
    const job = await submit(prompt, {}, '?wait=10')
    expect([job.status, job.error?.['node_id'], job.nodes['4']?.state]).toEqual(['failed', '4', 'failed'])
  })

  it('goes on with what does not depend on a node that failed, and keeps nothing of that in memory', async () => {
    const seed = Math.floor(Math.random() * 1e6)
    const fail = node('TestFail', { value: ['1', 0], message: 'no' })
    const prompt = {
      1: node('TestConst', { value: seed }),
      2: fail,
      3: node('TestAdd', { a: ['2', 0], b: 1 }),
      4: node('TestShow', { value: ['3', 0] }),
      5: node('TestSleep', { value: ['1', 0], seconds: 0.05 }),
      6: node('TestShow', { value: ['5', 0] }),
      7: node('TestShow', { value: ['1', 0] }),
    }
    const job = await submit(prompt, { continue_on_error: true }, '?wait=10')
    expect([job.status, job.error?.['node_id'], Object.keys(job.outputs)]).toEqual(['failed', '2', ['6', '7']])
    expect(job.nodes['2']?.state).toBe('failed')
    const mended = await submit({ ...prompt, 2: node('TestAdd', { a: ['1', 0], b: 1 }) }, {}, '?wait=10')
    expect([mended.status, Object.keys(mended.outputs)]).toEqual(['completed', ['4', '6', '7']])
    const again = await submit(prompt, { continue_on_error: true }, '?wait=10')
    expect([again.status, again.error?.['node_id']]).toEqual(['failed', '2'])
    const strict = await submit({ ...prompt, 1: node('TestConst', { value: seed + 1 }) }, {}, '?wait=10')
    expect(strict.status).toBe('failed')
  })

  it('stays paused after a restart', async () => {
    await ask('POST', '/queue/pause')
    await server.stop()
    server = await serve(server.data, ['--webhook-allow-private'])
    expect((await ask('GET', '/queue')).json.paused).toBe(true)
    await ask('POST', '/queue/resume')
  })
})

it('the events of a job come as a stream that ends with it', async () => {
  const { id } = await submit(sleeping(0.3))
  const text = await (await fetch(`${server.url}/api/heddle/jobs/${id}/events`)).text()
  const names = [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1])
  expect([names[0], names.at(-1)]).toEqual(['job', 'end'])
  expect(names).toContain('execution_success')
  expect(text.slice(text.indexOf('event: end'))).toContain('"status":"completed"')
})

describe('ComfyUI jobs', () => {
  it('list what ended, with the states that its editor asks for', async () => {
    const { id } = await submit(chain(4), {}, '?wait=10')
    const response = await fetch(`${server.url}/api/jobs?status=completed,failed,cancelled&limit=1&offset=0`)
    const { jobs, pagination } = (await response.json()) as { jobs: readonly Job[]; pagination: { limit: number } }
    expect([jobs.length, jobs[0]?.id, jobs[0]?.status, pagination.limit]).toEqual([1, id, 'completed', 1])
  })
})

describe('a webhook', () => {
  it('is posted once with a signature that fits its body; a redirect is not followed', async () => {
    const heard: { body: string; headers: IncomingHttpHeaders; path: string }[] = []
    const receiver = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        heard.push({ body, headers: request.headers, path: request.url ?? '' })
        response.writeHead(request.url === '/moved' ? 302 : 204, { Location: '/trap' }).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
    const { id } = await submit(chain(5), { webhook: `${url}/done` }, '?wait=10')
    await submit(chain(6), { webhook: `${url}/moved` }, '?wait=10')
    for (let tries = 0; heard.length < 2 && tries < 100; tries++)
      await new Promise((resolve) => setTimeout(resolve, 20))
    const [first] = heard
    expect(JSON.parse(first?.body ?? '')).toMatchObject({ event: 'job.ended', job: { id, status: 'completed' } })
    const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(first?.headers['heddle-signature'])) ?? []
    const secret = (await readFile(join(server.data, 'webhook-secret'), 'utf8')).trim()
    expect(createHmac('sha256', secret).update(`${time}.${first?.body}`).digest('hex')).toBe(mac)
    expect(heard.map(({ path }) => path)).toEqual(['/done', '/moved'])
    receiver.close()
  })

  it.each([
    'http://127.0.0.1/', 'http://localhost/', 'http://a.localhost/', 'http://[::1]/', 'http://10.1.2.3/', 'http://192.168.0.1/',
    'http://172.20.0.1/', 'http://169.254.169.254/latest/meta-data', 'http://0177.0.0.1/', 'http://0x7f000001/', 'http://2130706433/',
    'http://127.1/', 'http://[::ffff:127.0.0.1]/', 'http://[64:ff9b::7f00:1]/', 'http://[fe80::1]/', 'http://[fc00::1]/',
    'http://0.0.0.0/', 'http://100.64.0.1/', 'ftp://example.com/', 'file:///etc/passwd', 'http://user:word@example.com/',
    'http://printer.local/',
  ])('does not go to %s', (url) => expect(webhookFault(url, false)).not.toBeNull()) // prettier-ignore

  it('does not go to a name that leads to this machine, and knows public addresses', async () => {
    await expect(resolvePublic('localhost', false)).rejects.toThrow(/this machine or network/)
    expect(['8.8.8.8', '1.1.1.1', '2606:4700::1111'].map(isPublic)).toEqual([true, true, true])
    expect(webhookFault('https://example.com/hook', false)).toBeNull()
  })
})

/** A socket that has its events numbered. */
function numbered(id: string, since: string) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws?clientId=${id}&since=${since}`)
  const heard: { type: string; seq?: number; data: Record<string, unknown> }[] = []
  socket.on('message', (raw: Buffer, binary) => {
    if (!binary) heard.push(JSON.parse(raw.toString()) as (typeof heard)[0])
  })
  const find = async (type: string) => {
    for (let tries = 0; tries < 200; tries++) {
      const found = heard.find((message) => message.type === type)
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`${type} did not come`)
  }
  return { socket, heard, find }
}

describe('a client that comes back', () => {
  it('hears what it missed, once and in order; nobody else does', async () => {
    const first = numbered('returning', '')
    const session = String((await first.find('heddle.session')).data['session'])
    expect(first.heard[0]?.type).toBe('status')
    const whole = await submit(chain(7), { client_id: 'returning' }, '?wait=10')
    await first.find('execution_success')
    const seen = first.heard.find(({ type }) => type === 'execution_start')?.seq
    first.socket.terminate()
    const missed = await submit(chain(8), { client_id: 'returning' }, '?wait=10')

    const thief = numbered('other', `${session}:0`)
    expect((await thief.find('heddle.session')).data).toMatchObject({ replayed: 0, lost: 0 })
    const stranger = numbered('returning', `${'0'.repeat(32)}:0`)
    expect((await stranger.find('heddle.session')).data).toMatchObject({ replayed: 0, lost: 0 })

    const second = numbered('returning', `${session}:${seen}`)
    await second.find('heddle.session')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const again = second.heard.filter(({ seq }) => seq !== undefined)
    expect(again.map(({ seq }) => seq)).toEqual(again.map((_, index) => (seen ?? 0) + index + 1))
    const successes = again
      .filter(({ type }) => type === 'execution_success')
      .map(({ data: told }) => told['prompt_id'])
    expect(successes).toEqual([whole.id, missed.id])
    expect([...thief.heard, ...stranger.heard].filter(({ type }) => type.startsWith('execution'))).toEqual([])
    for (const { socket } of [thief, stranger, second]) socket.terminate()
    await entryOf(server.url, missed.id)
  })
})
