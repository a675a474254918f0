/** Server-sent events of one job: a snapshot, the events as they come, and the end. */
import type { Request, Response } from 'express'
import { stringifyExact } from '../json.ts'
import type { NumberedEvent } from '../jobs/watchers.ts'

/** Milliseconds between signs of life, and after which a client should come back. */
const BEAT = 15_000
const COME_BACK = 2000
/** Bytes that wait for a client beyond which it is given up. */
const STUCK = 4 << 20

type Follow = (after: number, hear: (event: NumberedEvent) => void, end: () => void) => Promise<() => void>

/** Answers with a stream that ends when the job does. `snapshot` gives the job as JSON. */
export async function streamEvents(
  request: Request,
  response: Response,
  snapshot: () => Promise<string>,
  follow: Follow,
): Promise<void> {
  response.status(200).set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  })
  const send = (text: string): void => {
    if (response.writableLength > STUCK) response.destroy()
    else if (!response.writableEnded) response.write(text)
  }
  send(`retry: ${COME_BACK}\nevent: job\ndata: ${await snapshot()}\n\n`)
  const beat = setInterval(() => send(': still here\n\n'), BEAT)
  let stop = (): void => undefined
  response.once('close', () => {
    clearInterval(beat)
    stop()
  })
  const last = Number(request.headers['last-event-id'] ?? 0)
  const hear = ({ id, event }: NumberedEvent) =>
    send(`id: ${id}\nevent: ${event.type}\ndata: ${stringifyExact(event.data)}\n\n`)
  const end = () =>
    void snapshot().then((job) => {
      send(`event: end\ndata: ${job}\n\n`)
      response.end()
    })
  stop = await follow(Number.isInteger(last) && last > 0 ? last : 0, hear, end)
  if (response.destroyed) stop()
}
