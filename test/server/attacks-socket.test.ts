/** Attacks on one running server over its websocket: floods, frames too large, garbage, too many sockets, silence. */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Hub } from '../../server/socket/hub.ts'
import { chain, Client, get, serveFresh, type TestServer } from './harness.ts'

let server: TestServer

beforeAll(async () => {
  server = await serveFresh()
})
afterAll(() => server.end())

const opened = (path = '/ws'): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(server.url.replace('http', 'ws') + path)
    socket.on('error', reject)
    socket.once('open', () => resolve(socket))
  })
/** The code that the server closes the socket with. */
const closing = (socket: WebSocket): Promise<number> => {
  socket.removeAllListeners('error').on('error', () => undefined)
  return new Promise((resolve) => socket.once('close', resolve))
}
/** Bytes as a client that keeps no rule sends them. Masked by zeros, the payload stays as it is. */
const frame = (opcode: number, payload: Buffer, length = payload.length): Buffer => {
  const head = Buffer.alloc(length < 126 ? 6 : 14)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | (length < 126 ? length : 127)
  if (length >= 126) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}
const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${'A'.repeat(22)}==`,
]
/** A TCP connection that has asked to be a websocket; resolves with the status. */
const plain = (path = '/ws'): Promise<{ socket: Socket; status: number }> =>
  new Promise((resolve, reject) => {
    const { port, host } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', reject)
    socket.once('data', (text: Buffer) => resolve({ socket, status: Number(text.toString().split(' ')[1]) }))
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${UPGRADE.join('\r\n')}\r\n\r\n`)
  })

const [TEXT, PING, PONG] = [1, 9, 10]
/** Resolves when the connection has ended; throws after a time in which neither a heartbeat nor the library would end it. */
const dropped = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the connection was not ended')), 25_000)
    socket.once('close', () => {
      clearTimeout(late)
      resolve()
    })
  })
/** The code that a client is closed with after so many frames, which may announce more than they hold. */
async function codeAfter(opcode: number, count: number, length?: number): Promise<number> {
  const { socket } = await plain()
  let heard = Buffer.alloc(0)
  socket.on('error', () => undefined).on('data', (part: Buffer) => (heard = Buffer.concat([heard, part])))
  const closed = dropped(socket)
  // A few at a time: the library itself ends a client that sends many pings before it could answer one.
  const few = Buffer.concat(Array.from({ length: Math.min(count, 10) }, () => frame(opcode, Buffer.from('x'), length)))
  for (let sent = 0; sent < count && !socket.destroyed; sent += 10) {
    socket.write(few)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await closed
  return heard.readUInt16BE(heard.lastIndexOf(0x88) + 2)
}

describe('a websocket', () => {
  it('that floods the server is put out with 1008, as is one that pings without end; others hear on', async () => {
    const quiet = await Client.connect(server)
    for (const opcode of [TEXT, PING, PONG]) expect(await codeAfter(opcode, 300)).toBe(1008)
    for (const opcode of [PING, PONG, TEXT]) {
      const { socket } = await plain()
      const closed = dropped(socket)
      socket.on('error', () => undefined).resume()
      socket.write(Buffer.concat(Array.from({ length: 100_000 }, () => frame(opcode, Buffer.from('x')))))
      await closed
    }
    await quiet.run(chain(90))
    quiet.close()
  })

  it('that floods the server with large messages is not read on', async () => {
    const { socket } = await plain()
    const closed = dropped(socket)
    socket.on('error', () => undefined).resume()
    const message = frame(TEXT, Buffer.alloc(60 << 10))
    let taken = 0
    // 100 of these may come; what the system's buffers take beside them is far less than all.
    const more = () => void socket.write(message, (error) => !error && ++taken < 2000 && more())
    more()
    await closed
    expect(taken).toBeGreaterThan(99)
    expect(taken).toBeLessThan(1000)
  })

  it('that announces 101 MB, or one byte more than is taken, is refused before it has sent them', async () => {
    expect(await codeAfter(TEXT, 1, 101 << 20)).toBe(1009)
    expect(await codeAfter(TEXT, 1, (64 << 10) + 1)).toBe(1009)
    expect(await codeAfter(TEXT, 1, 2 ** 40)).toBe(1009)
  })

  it('that sends garbage is closed; messages that mean nothing are passed over', async () => {
    const { socket } = await plain()
    const closed = dropped(socket)
    socket.on('error', () => undefined).write(Buffer.alloc(300, 0xff))
    await closed
    const odd = await opened()
    for (const text of ['null', '[]', '{', '{"type":"feature_flags","data":{"__proto__":{"a":true}}}', Buffer.alloc(9)])
      odd.send(text)
    odd.ping()
    await new Promise((resolve) => odd.once('pong', resolve))
    odd.terminate()
    expect((await get(server.url, '/prompt')).status).toBe(200)
  })

  it('is opened at two places only', async () => {
    for (const [path, status] of [
      ['/ws', 101],
      ['/api/ws?clientId=a', 101],
      ['/', 404],
      ['/wsx', 404],
      ['/api/prompt', 404],
      ['//ws', 404],
    ] as const) {
      const { socket, status: got } = await plain(path)
      expect(got, path).toBe(status)
      socket.destroy()
    }
  })

  it('is one of a bounded number', async () => {
    const all = await Promise.all(Array.from({ length: 540 }, () => plain()))
    const statuses = all.map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([101, 503]))
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(20)
    for (const { socket } of all) socket.destroy()
    await vi.waitFor(async () => (await opened()).terminate(), 3000)
  })

  it('that answers no ping is closed at the second one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const hub = new Hub({})
    const listening = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    listening.on('connection', (socket) => hub.add(socket, null))
    await new Promise((resolve) => listening.once('listening', resolve))
    const { port } = listening.address() as { port: number }
    const [deaf, awake] = [false, true].map((autoPong) => new WebSocket(`ws://127.0.0.1:${port}`, { autoPong }))
    if (!deaf || !awake) throw new Error('two sockets were made')
    await Promise.all([deaf, awake].map((socket) => new Promise((resolve) => socket.once('open', resolve))))
    const pinged = Promise.all([deaf, awake].map((socket) => new Promise((resolve) => socket.once('ping', resolve))))
    const closed = closing(deaf)
    await vi.waitFor(() => expect(listening.clients.size).toBe(2))
    vi.advanceTimersByTime(30_000)
    await pinged
    // The answer to the ping is on its way; a message of its own goes behind it.
    awake.send('x')
    await new Promise<void>((resolve) => [...listening.clients].map((one) => one.once('message', () => resolve())))
    vi.advanceTimersByTime(30_000)
    expect(await closed).toBe(1006)
    expect(awake.readyState).toBe(WebSocket.OPEN)
    hub.close()
    awake.terminate()
    listening.close()
  })
  afterEach(() => void vi.useRealTimers())
})
