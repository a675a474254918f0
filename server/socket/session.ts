/** One client's events by number, kept for a while, so that it hears after a broken connection what it missed. */
import { randomBytes } from 'node:crypto'
import type { Connection } from './connection.ts'

/** What is kept at most, in messages and characters, and for how many ms after the connection broke. */
const MESSAGES = 2000
const CHARACTERS = 4 << 20
const KEPT_FOR = 10 * 60_000

export class Session {
  /** Whoever knows it may hear what was missed: it is told to this client only. */
  readonly key = randomBytes(16).toString('hex')
  readonly clientId: string
  #connection: Connection | null = null
  #lostAt = Date.now()
  #last = 0
  #kept: string[] = []
  #characters = 0

  constructor(clientId: string) {
    this.clientId = clientId
  }

  /** Numbers a message, which is a JSON object as text, keeps it, and sends it if the client is there. */
  send(message: string): void {
    const text = `${message.slice(0, -1)},"seq":${++this.#last}}`
    this.#kept.push(text)
    this.#characters += text.length
    while (this.#kept.length > MESSAGES || this.#characters > CHARACTERS)
      this.#characters -= this.#kept.shift()?.length ?? 0
    this.#connection?.text(text)
  }

  /** Goes on over this connection: tells key and number, then all messages after the one numbered `seen`. */
  resume(connection: Connection, seen: number): void {
    this.#connection = connection
    const missed = Math.min(this.#last, Math.max(0, this.#last - seen))
    const lost = Math.max(0, missed - this.#kept.length)
    const data = { session: this.key, seq: this.#last, replayed: missed - lost, lost }
    connection.text(JSON.stringify({ type: 'heddle.session', data }))
    if (missed > lost) for (const text of this.#kept.slice(lost - missed)) connection.text(text)
  }

  /** The connection broke, unless another one has taken its place. */
  leave(connection: Connection): void {
    if (this.#connection !== connection) return
    this.#connection = null
    this.#lostAt = Date.now()
  }

  get isOver(): boolean {
    return this.#connection === null && Date.now() - this.#lostAt > KEPT_FOR
  }
}
