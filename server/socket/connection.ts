/** One websocket: an ordered outbox that drops pictures, never states, when its client does not keep up. */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { MessageRate } from '../guard/flood.ts'
import type { Session } from './session.ts'

/** Bytes waiting beyond which pictures are dropped, and beyond which the client is given up. */
const SLOW = 1 << 20
const STUCK = 16 << 20
/** Milliseconds that a client has to read why it is put out. */
const LAST_WORDS = 1000

const Flags = z.object({ type: z.literal('feature_flags'), data: z.record(z.string(), z.unknown()) })

export class Connection {
  readonly clientId: string
  /** Set when the client wants its events numbered. */
  session: Session | null = null
  readonly #socket: WebSocket
  /** What the socket writes to, if that is known: what is sent in one turn of the event loop is then written at once. */
  readonly #stream: Duplex | null
  #held = false
  #flags: Readonly<Record<string, unknown>> = {}
  #heard = false
  #alive = true

  constructor(
    socket: WebSocket,
    clientId: string,
    serverFlags: Readonly<Record<string, unknown>>,
    stream: Duplex | null = null,
  ) {
    this.#socket = socket
    this.#stream = stream
    this.clientId = clientId
    socket.on('pong', () => (this.#alive = true))
    socket.on('error', () => socket.terminate())
    const rate = new MessageRate()
    // Pings count too: each makes the server answer.
    for (const kind of ['message', 'ping', 'pong']) socket.on(kind, () => rate.take() || this.#putOut())
    socket.on('message', (data, isBinary) => {
      if (!isBinary && !this.#heard) this.#hear((data as Buffer).toString(), serverFlags)
      this.#heard = true
    })
  }

  /** Only the literal `true` of a flag counts. */
  supports(flag: string): boolean {
    return this.#flags[flag] === true
  }

  text(message: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (this.#socket.bufferedAmount > STUCK) this.#socket.terminate()
    else {
      this.#hold()
      this.#socket.send(message)
    }
  }

  /** Sends a picture unless the client is behind. */
  picture(frame: Buffer): void {
    if (this.#socket.readyState === this.#socket.OPEN && this.#socket.bufferedAmount < SLOW) this.#socket.send(frame)
  }

  onClose(listener: () => void): void {
    this.#socket.once('close', listener)
  }

  /** Pings; a socket that has not answered the last ping is closed. */
  beat(): void {
    if (!this.#alive) {
      this.#socket.terminate()
      return
    }
    this.#alive = false
    this.#socket.ping()
  }

  close(): void {
    this.#socket.close(1001, 'the server is stopping')
  }

  /** Every write is a system call: those of one turn become one. */
  #hold(): void {
    const stream = this.#stream
    if (!stream || this.#held) return
    this.#held = true
    stream.cork()
    setImmediate(() => {
      this.#held = false
      stream.uncork()
    })
  }

  /** Reads nothing more from a client that floods the server, tells it so, and drops it. */
  #putOut(): void {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return
    socket.pause()
    socket.close(1008, 'too many messages')
    setTimeout(() => socket.terminate(), LAST_WORDS).unref()
  }

  /** The first message may tell the client's feature flags, and is then answered with the server's. */
  #hear(text: string, serverFlags: Readonly<Record<string, unknown>>): void {
    try {
      const message = Flags.safeParse(JSON.parse(text))
      if (!message.success) return
      this.#flags = message.data.data
      this.text(JSON.stringify({ type: 'feature_flags', data: serverFlags }))
    } catch {
      // Clients may send what they like; what is no JSON means nothing here.
    }
  }
}
