/** Reads request bodies up to a limit; one that is larger is answered at once and thrown away as it comes. */
import { isUtf8 } from 'node:buffer'
import type { Request, RequestHandler, Response } from 'express'
import { HttpError } from './body.ts'

/** Milliseconds that a client has to send the rest of what is thrown away: one that writes before it reads would miss the answer. */
const LINGER = 10_000

/** Answers 413 while the body is still on its way; the connection ends when the client has sent all of it, or after LINGER. */
export function refuseLarge(request: Request, response: Response, limit: number): void {
  const message = `The body is larger than ${limit} bytes.`
  const text = JSON.stringify({
    error: { type: 'body_too_large', message, details: '', extra_info: {} },
    node_errors: {},
  })
  response.writeHead(413, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  })
  // Ending the answer would close the connection, and what the client still sends would then reset it before it has read.
  response.write(text)
  const late = setTimeout(() => request.socket.destroy(), LINGER)
  request.once('close', () => clearTimeout(late))
  request.once('end', () => response.end())
  request.resume()
}

/** Refuses by its Content-Length what is larger than `limit` bytes, before a byte of it is read. */
export const limitDeclared =
  (limit: number): RequestHandler =>
  (request, response, next) => {
    if (Number(request.headers['content-length'] ?? 0) > limit) refuseLarge(request, response, limit)
    else next()
  }

/** Reads the body into `request.body` as a Buffer; compressed bodies are refused, since they may unfold to anything. */
export const readBytes =
  (limit: number): RequestHandler =>
  (request, response, next) => {
    const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = request.headers
    if (encoding !== 'identity')
      throw new HttpError(415, `Content-Encoding ${encoding} is not taken; send plain bytes.`)
    if (Number(length) > limit) {
      refuseLarge(request, response, limit)
      return
    }
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= limit) return
      stop()
      chunks.length = 0
      refuseLarge(request, response, limit)
    }
    const end = () => {
      stop()
      request.body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size)
      next()
    }
    const stop = () => void request.off('data', take).off('end', end)
    request.on('data', take).on('end', end)
  }

/** As readBytes, into `request.body` as text. Throws HttpError 400 for bytes that are not UTF-8. */
export function readText(limit: number): RequestHandler {
  const read = readBytes(limit)
  return (request, response, next) =>
    read(request, response, () => {
      const body: unknown = request.body
      if (!Buffer.isBuffer(body) || !isUtf8(body)) {
        next(new HttpError(400, 'The body is not JSON: its bytes are not UTF-8.'))
        return
      }
      // Some clients begin with a byte order mark.
      request.body = body.toString().replace(/^\uFEFF/, '')
      next()
    })
}
