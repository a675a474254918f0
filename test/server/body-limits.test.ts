/** Bodies that are too large, compressed, cut off or no UTF-8: answered at once, never kept, and the connection ends in order. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { readBytes } from '../../server/http/read-body.ts'
import { chain, post, remaining, serveFresh, type TestServer } from './harness.ts'

const MB = 1 << 20
let server: TestServer

beforeAll(async () => {
  server = await serveFresh(['--max-upload-size', '50'])
})
afterAll(() => server.end())
afterEach(() => void vi.useRealTimers())

interface Heard {
  readonly status: number
  readonly body: string
  /** Milliseconds from the first byte sent to the first heard. */
  readonly after: number
  /** How the connection ended: in order, or the code of the error. */
  readonly end: string
}

/** Sends a head and `megabytes` of body, reading nothing before all is sent if `writesFirst`, as many clients do. */
function send(path: string, headers: readonly string[], megabytes: number, writesFirst = true): Promise<Heard> {
  const { port, host } = new URL(server.url)
  const chunked = headers.some((line) => line.endsWith('chunked'))
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    const began = performance.now()
    let [text, after] = ['', 0]
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(heard(error.code ?? 'error')))
    socket.on('data', (part: Buffer) => {
      if (text === '') after = performance.now() - began
      text += part.toString()
    })
    socket.on('end', () => resolve(heard('in order')))
    const heard = (end: string): Heard => ({
      status: Number(text.split(' ')[1] ?? 0),
      body: text.slice(text.indexOf('\r\n\r\n') + 4),
      after,
      end,
    })
    if (writesFirst) socket.pause()
    socket.write([`POST ${path} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n'))
    let left = megabytes
    const more = () => {
      while (left-- > 0) {
        const part = Buffer.alloc(MB, 'x')
        const bytes = chunked ? Buffer.concat([Buffer.from('100000\r\n'), part, Buffer.from('\r\n')]) : part
        if (!socket.write(bytes)) return void socket.once('drain', more)
      }
      if (chunked) socket.write('0\r\n\r\n')
      socket.resume()
    }
    more()
  })
}

/** The most memory that the server's process has held, in MB. */
const peak = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${String(server.child.pid)}/status`, 'utf8'))?.[1]) / 1024

const LARGE = { status: 413, end: 'in order' }

describe('a body that is too large', () => {
  it('is refused by its announced length, before any of it has come', async () => {
    for (const path of ['/prompt', '/api/heddle/jobs', '/upload/image', '/userdata/a.bin', '/settings', '/queue']) {
      const type = path.startsWith('/upload') ? 'multipart/form-data; boundary=b' : 'application/json'
      const headers = [`Content-Type: ${type}`, `Content-Length: ${10_000 * MB}`]
      const told = new Promise<string>((resolve) => {
        const { port, host } = new URL(server.url)
        const socket = connect(Number(port), '127.0.0.1')
        socket.once('data', (part: Buffer) => {
          socket.destroy()
          resolve(part.toString())
        })
        socket.write([`POST ${path} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n'))
      })
      const began = performance.now()
      expect(await told, path).toMatch(/^HTTP\/1.1 413[^]*connection: close[^]*body_too_large/i)
      expect(performance.now() - began).toBeLessThan(2000)
    }
  })

  it('is answered to a client that writes all 100 MB before it reads, and the connection ends in order', async () => {
    const heard = await send('/prompt', [`Content-Length: ${100 * MB}`], 100)
    expect(heard).toMatchObject(LARGE)
    expect(JSON.parse(heard.body)).toMatchObject({ error: { type: 'body_too_large' }, node_errors: {} })
  })

  it('of no announced length is refused once it is too large, and is not kept in memory', async () => {
    const before = peak()
    const heard = await send('/prompt', ['Transfer-Encoding: chunked'], 120, false)
    expect(heard).toMatchObject(LARGE)
    expect(peak() - before).toBeLessThan(100)
    expect(await remaining(server.url)).toBe(0)
  })

  it('that never ends is cut off after a while', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const listening = createServer(express().post('/', readBytes(10)))
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    const socket = connect((listening.address() as AddressInfo).port, '127.0.0.1')
    const ended = new Promise((resolve) => socket.once('close', resolve))
    const answered = new Promise((resolve) => socket.once('data', resolve))
    socket.on('error', () => undefined)
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n${'x'.repeat(20)}\r\n`)
    expect(String(await answered)).toContain('413')
    expect(socket.destroyed).toBe(false)
    vi.advanceTimersByTime(10_000)
    await ended
    listening.close()
  })
})

it('a body that is compressed, or no UTF-8, is refused', async () => {
  const bytes = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)))
  const send = async (body: Buffer, headers: Record<string, string> = {}) =>
    (await fetch(`${server.url}/prompt`, { method: 'POST', body: new Uint8Array(body), headers })).status
  expect(await send(bytes('{}'), { 'Content-Encoding': 'gzip' })).toBe(415)
  // A lone surrogate as bytes, an overlong slash, a byte that never occurs.
  for (const wrong of [[0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xff]])
    // prettier-ignore
    expect(await send(bytes('{"prompt":{"1":{"class_type":"', wrong, '","inputs":{}}}}'))).toBe(400)
  expect((await post(server.url, '/prompt', `\ufeff${JSON.stringify({ prompt: chain(31) })}`)).status).toBe(200)
})
