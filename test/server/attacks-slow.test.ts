/** Clients that take memory: who reads nothing, who names itself at length, and who begins one session after another. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { MessageRate } from '../../server/guard/flood.ts'
import type { Connection } from '../../server/socket/connection.ts'
import { Hub } from '../../server/socket/hub.ts'

const MB = 1 << 20
let hub: Hub
let listening: WebSocketServer
let accepted: WebSocket
let connection: Connection

beforeEach(async () => {
  hub = new Hub({})
  listening = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  listening.on('connection', (socket, request) => {
    accepted = socket
    connection = hub.add(socket, new URL(request.url ?? '', 'ws://x').searchParams.get('clientId'))
  })
  await new Promise((resolve) => listening.once('listening', resolve))
})
afterEach(() => {
  vi.useRealTimers()
  hub.close()
  for (const socket of listening.clients) socket.terminate()
  listening.close()
})

/** A client, and the sessions that it is told of. */
async function client(id: string) {
  const { port } = listening.address() as { port: number }
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?clientId=${encodeURIComponent(id)}`)
  const sessions: { session: string; replayed: number; lost: number }[] = []
  socket.on('error', () => undefined)
  socket.on('message', (raw: Buffer) => {
    const { type, data } = JSON.parse(raw.toString()) as { type: string; data: (typeof sessions)[number] }
    if (type === 'heddle.session') sessions.push(data)
  })
  await new Promise((resolve) => socket.once('open', resolve))
  await vi.waitFor(() => expect(accepted.readyState).toBe(WebSocket.OPEN))
  /** Begins or resumes a session and resolves with what is told of it. */
  const number = async (since: string) => {
    const before = sessions.length
    hub.number(connection, since)
    await vi.waitFor(() => expect(sessions.length).toBeGreaterThan(before), 5000)
    return sessions[before]!
  }
  return { socket, number }
}
const tell = (text: string) => hub.tell('owner', 'job', { type: 'executed', data: { text } })

describe('a client that reads nothing', () => {
  it('loses pictures, keeps states, and is given up before it holds more than some MB', async () => {
    const { socket } = await client('owner')
    socket.pause()
    const closed = new Promise((resolve) => accepted.once('close', resolve))
    const picture = { type: 'preview', names: {}, mime: 'image/jpeg', bytes: Buffer.alloc(MB) } as never
    // What the system takes for both ends is beyond the server's reach; its own memory is what counts.
    while (accepted.bufferedAmount < 2 * MB) {
      tell('x'.repeat(MB))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const held = accepted.bufferedAmount
    hub.tell('owner', 'job', picture)
    expect(accepted.bufferedAmount).toBe(held)
    let most = 0
    for (let sent = 0; sent < 64 && accepted.readyState === WebSocket.OPEN; sent++) {
      tell('x'.repeat(MB))
      await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, accepted.bufferedAmount)
    }
    await closed
    expect(most).toBeGreaterThan(8 * MB)
    expect(most).toBeLessThan(18 * MB)
  })
})

describe('a client that sends much', () => {
  it('may send 20 messages a second for ever, and 100 at once', () => {
    const rate = new MessageRate()
    let now = performance.now()
    for (let sent = 0; sent < 2000; sent++) expect(rate.take((now += 50))).toBe(true)
    now += 60_000
    const taken = Array.from({ length: 150 }, () => rate.take(now)).filter((one) => one)
    expect(taken).toHaveLength(100)
    expect(rate.take(now + 10)).toBe(false)
  })
})

describe('a client id', () => {
  it('of more than 200 characters, or none, is not taken: the server makes one', async () => {
    await client('a'.repeat(200))
    expect(connection.clientId).toBe('a'.repeat(200))
    for (const id of ['a'.repeat(201), '']) {
      await client(id)
      expect(connection.clientId).toMatch(/^[0-9a-f]{32}$/)
    }
  })
})

describe('sessions', () => {
  it('are forgotten, the oldest first, when there are too many', async () => {
    const { number } = await client('owner')
    const first = await number('')
    accepted.setMaxListeners(0)
    for (let begun = 0; begun < 998; begun++) hub.number(connection, '')
    await vi.waitFor(async () => expect((await number(`${first.session}:0`)).session).toBe(first.session), 5000)
    for (let begun = 0; begun < 3; begun++) hub.number(connection, '')
    const again = await client('owner')
    expect((await again.number(`${first.session}:0`)).session).not.toBe(first.session)
  })

  it('keep so many messages and so much text, and say what is lost', async () => {
    const { number } = await client('owner')
    const { session } = await number('')
    for (let sent = 0; sent < 2500; sent++) tell('')
    expect(await (await client('owner')).number(`${session}:0`)).toMatchObject({ replayed: 2000, lost: 500 })
    for (let sent = 0; sent < 6; sent++) tell('x'.repeat(MB))
    const { replayed, lost } = await (await client('owner')).number(`${session}:2500`)
    expect([replayed + lost, replayed]).toEqual([6, 3])
  })

  it('end ten minutes after their client went', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
    const timed = new Hub({})
    const first = await client('owner')
    timed.number(connection, '')
    const { socket } = first
    socket.close()
    await vi.waitFor(() => expect(accepted.readyState).toBe(WebSocket.CLOSED))
    expect(timed.sessions).toBe(1)
    vi.advanceTimersByTime(9 * 60_000)
    expect(timed.sessions).toBe(1)
    vi.advanceTimersByTime(2 * 60_000)
    expect(timed.sessions).toBe(0)
    timed.close()
  })
})
