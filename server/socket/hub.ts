/** Everybody who listens: sockets by client id, and who hears which event. */
import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { isPreview, type EngineEvent } from '../engine/protocol.ts'
import { stringifyExact } from '../json.ts'
import { Connection } from './connection.ts'
import { Session } from './session.ts'
import { previewFrame, previewFrameWithMetadata } from './frames.ts'

const HEARTBEAT = 30_000
const MAX_CLIENT_ID = 200
const MAX_SESSIONS = 1000
/** What a client tells when it connects again: the key of its session and the number of the last message it has. */
const SEEN = /^([0-9a-f]{32}):(\d{1,15})$/
/** Events of prompts without an owner that go to everybody; the others go to nobody. */
const FOR_ALL = /^(progress|progress_state|preview|execution_interrupted|heddle\..*)$/

export class Hub {
  readonly #connections = new Map<string, Set<Connection>>()
  readonly #sessions = new Map<string, Session>()
  readonly #flags: Readonly<Record<string, unknown>>
  readonly #heartbeat: NodeJS.Timeout

  constructor(serverFlags: Readonly<Record<string, unknown>>) {
    this.#flags = serverFlags
    this.#heartbeat = setInterval(() => {
      for (const connection of this.#all()) connection.beat()
      for (const session of this.#sessions.values()) if (session.isOver) this.#sessions.delete(session.key)
    }, HEARTBEAT)
    this.#heartbeat.unref()
  }

  /**
   * Takes a socket in. Several may share one id: each hears everything. Without an id the server makes one. `stream` is what the
   * socket writes to.
   */
  add(socket: WebSocket, wanted: string | null, stream: Duplex | null = null): Connection {
    const usable = wanted !== null && wanted !== '' && wanted.length <= MAX_CLIENT_ID
    const clientId = usable ? wanted : randomBytes(16).toString('hex')
    const connection = new Connection(socket, clientId, this.#flags, stream)
    const known = this.#connections.get(clientId) ?? new Set()
    this.#connections.set(clientId, known.add(connection))
    socket.on('close', () => {
      known.delete(connection)
      if (known.size === 0 && this.#connections.get(clientId) === known) this.#connections.delete(clientId)
    })
    return connection
  }

  /**
   * Numbers the events of this connection's client from here on; with `<session>:<number>` goes on from there and sends again what
   * came after. A key that is not known, or is another client's, begins a new session.
   */
  number(connection: Connection, since: string): void {
    const [, key = '', seen = '0'] = SEEN.exec(since) ?? []
    const known = this.#sessions.get(key)
    const session = known?.clientId === connection.clientId ? known : new Session(connection.clientId)
    this.#sessions.set(session.key, session)
    if (this.#sessions.size > MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value ?? '')
    connection.session = session
    connection.onClose(() => session.leave(connection))
    session.resume(connection, session === known ? Number(seen) : 0)
  }

  /** How many clients' events are kept. */
  get sessions(): number {
    return this.#sessions.size
  }

  broadcast(type: string, data: unknown): void {
    if (this.#connections.size === 0) return
    const text = stringifyExact({ type, data })
    for (const connection of this.#all()) connection.text(text)
  }

  /** Whether anybody, or one of those that `only` picks, would hear of the progress of this owner's prompts. */
  hasListeners(owner: string | null, only: (connection: Connection) => boolean = () => true): boolean {
    if (owner !== null) return [...(this.#connections.get(owner) ?? [])].some(only)
    return this.#connections.size > 0 && this.#all().some(only)
  }

  /** Sends a text to those that `only` picks of an owner's connections, or of all; nobody hears it later. */
  tellSome(owner: string | null, text: string, only: (connection: Connection) => boolean): void {
    for (const connection of owner === null ? this.#all() : (this.#connections.get(owner) ?? []))
      if (only(connection)) connection.text(text)
  }

  /** Sends an event of a prompt to its owner, or by ComfyUI's rule when it has none. */
  tell(owner: string | null, promptId: string, event: EngineEvent): void {
    const listeners =
      owner !== null ? [...(this.#connections.get(owner) ?? [])] : FOR_ALL.test(event.type) ? this.#all() : []
    const sessions = owner === null || isPreview(event) ? [] : this.#sessionsOf(owner)
    if (listeners.length + sessions.length === 0) return
    if (!isPreview(event)) {
      const text = event.json ?? stringifyExact(event)
      for (const session of sessions) session.send(text)
      for (const connection of listeners)
        if (!connection.session || !sessions.includes(connection.session)) connection.text(text)
      return
    }
    const withMetadata = previewFrameWithMetadata(event, promptId)
    const plain = previewFrame(event)
    for (const connection of listeners)
      connection.picture(connection.supports('supports_preview_metadata') ? withMetadata : plain)
  }

  close(): void {
    clearInterval(this.#heartbeat)
    for (const connection of this.#all()) connection.close()
  }

  #sessionsOf(owner: string): Session[] {
    if (this.#sessions.size === 0) return []
    return [...this.#sessions.values()].filter(({ clientId }) => clientId === owner)
  }

  #all(): Connection[] {
    return [...this.#connections.values()].flatMap((set) => [...set])
  }
}
