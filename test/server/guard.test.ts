/** Who may talk to the server: attacks from web pages, foreign hosts, missing tokens. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { isLoopback, refusal, type Asked } from '../../server/guard/guard.ts'
import { chain, freshData, get, node, post, remaining, removeData, serve, type TestServer } from './harness.ts'

const TOKEN = 'a-token-of-24-characters'
let server: TestServer
let guarded: TestServer
const folders: string[] = []

beforeAll(async () => {
  folders.push(await freshData(), await freshData())
  server = await serve(folders[0]!)
  guarded = await serve(folders[1]!, ['--token', TOKEN, '--max-queue', '1'])
})
afterAll(async () => {
  await Promise.all([server.stop(), guarded.stop()])
  await Promise.all(folders.map(removeData))
})

/** A request with headers that fetch does not let one set. */
function raw(url: string, path: string, headers: Record<string, string>, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** 101 when the upgrade succeeds, else the status of the refusal. */
function upgrade(url: string, headers: Record<string, string>, query = ''): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws${query}`, { headers })
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.on('error', () => undefined)
  })
}

const JSON_TYPE = { 'Content-Type': 'application/json' }
const PROMPT = JSON.stringify({ prompt: chain(1) })

describe('requests of web pages', () => {
  it.each([
    ['a foreign Origin', { ...JSON_TYPE, Origin: 'https://evil.example' }],
    ['Origin null', { ...JSON_TYPE, Origin: 'null' }],
    ['the right name with another port', { ...JSON_TYPE, Origin: 'http://127.0.0.1:1' }],
    ['Sec-Fetch-Site cross-site', { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' }],
    ['Sec-Fetch-Site same-site', { ...JSON_TYPE, 'Sec-Fetch-Site': 'same-site' }],
    ['a form of another site', { 'Content-Type': 'text/plain', Referer: 'https://evil.example/form' }],
  ])('%s: refused, and nothing is queued', async (_, headers) => {
    expect([403, 415]).toContain(await raw(server.url, '/prompt', headers, PROMPT))
    expect([403, 415]).toContain(await raw(server.url, '/api/prompt', headers, PROMPT))
    expect((await get(server.url, '/history')).json).toEqual({})
    expect(await remaining(server.url)).toBe(0)
  })

  it('a Host that is not this server: refused, also for GET, whatever the Origin', async () => {
    for (const Host of ['evil.example', `evil.example:${new URL(server.url).port}`, 'localhost.evil.example', 'a b'])
      expect(await raw(server.url, '/object_info', { Host, Origin: `http://${Host}` })).toBe(421)
    expect(await raw(server.url, '/prompt', { Host: `localhost:${new URL(server.url).port}` })).toBe(200)
  })

  it('a link from another site opens the page but nothing else', async () => {
    const link = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }
    expect(await raw(server.url, '/', link)).toBe(200)
    expect(await raw(server.url, '/api/history', link)).toBe(403)
  })

  it('the websocket upgrade is guarded alike', async () => {
    expect(await upgrade(server.url, { Origin: 'https://evil.example' })).toBe(403)
    expect(await upgrade(server.url, { Origin: 'null' })).toBe(403)
    expect(await upgrade(server.url, { Host: 'evil.example' })).toBe(421)
    expect(await upgrade(server.url, { Origin: server.url })).toBe(101)
    expect(await upgrade(guarded.url, {})).toBe(401)
    expect(await upgrade(guarded.url, {}, `?token=${TOKEN}`)).toBe(101)
  })

  it('scripts that send JSON under a form type without a browser are served, as ComfyUI does', async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await post(server.url, '/prompt', PROMPT, headers)).status).toBe(200)
  })
})

describe('a token', () => {
  it('is asked of every route, and taken from header, query or cookie', async () => {
    for (const path of ['/', '/prompt', '/api/history', '/view?filename=a.png', '/nothing']) {
      expect((await get(guarded.url, path)).status, path).toBe(401)
      expect((await get(guarded.url, path, { Authorization: `Bearer ${TOKEN}x` })).status).toBe(401)
    }
    expect((await get(guarded.url, '/prompt', { Authorization: `Bearer ${TOKEN}` })).status).toBe(200)
    expect((await get(guarded.url, `/prompt?token=${TOKEN}`)).status).toBe(200)
    expect((await get(guarded.url, '/prompt', { Cookie: `other=1; heddle_token=${TOKEN}` })).status).toBe(200)
  })

  it('in the address of the page becomes a cookie and leaves the address', async () => {
    const response = await fetch(`${guarded.url}/?token=${TOKEN}`, { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([303, '/'])
    expect(response.headers.get('set-cookie')).toMatch(/heddle_token=.*HttpOnly.*SameSite=Strict/)
  })
})

it('a full queue answers 429 and when to come again', async () => {
  const headers = { ...JSON_TYPE, Authorization: `Bearer ${TOKEN}` }
  const prompt = {
    ...chain(1),
    4: node('TestSleep', { value: ['2', 0], seconds: 5 }),
    5: node('TestShow', { value: ['4', 0] }),
  }
  expect((await post(guarded.url, '/prompt', { prompt }, headers)).status).toBe(200)
  const response = await fetch(`${guarded.url}/prompt`, { method: 'POST', headers, body: JSON.stringify({ prompt }) })
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10'])
})

it('the page allows scripts of this server only', async () => {
  const policy = (await fetch(server.url)).headers.get('content-security-policy')
  expect(policy).toContain("script-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
})

describe('the guard', () => {
  const asked = (headers: Asked['headers']): Asked => ({
    method: 'GET',
    path: '/x',
    query: new URLSearchParams(),
    headers,
  })
  it('takes addresses that cannot be rebound only behind a token', () => {
    const open = { host: '127.0.0.1', allowedHosts: [], token: null }
    const behind = { host: '0.0.0.0', allowedHosts: ['studio.lan'], token: TOKEN }
    const headers = (host: string) => ({ host, authorization: `Bearer ${TOKEN}` })
    expect(refusal(asked(headers('192.168.1.4:8188')), open)?.status).toBe(421)
    expect(refusal(asked(headers('192.168.1.4:8188')), behind)).toBeNull()
    expect(refusal(asked(headers('studio.lan')), behind)).toBeNull()
    expect(refusal(asked(headers('other.lan')), behind)?.status).toBe(421)
  })
  it('knows loopback', () => {
    expect(['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]'].every(isLoopback)).toBe(true)
    expect(['0.0.0.0', '128.0.0.1', 'localhost.evil.example', '::'].some(isLoopback)).toBe(false)
  })
})
