/** The WebSocket to the server: connects, checks what comes, and connects again when it breaks. */
import { parseEvent, parseFrame, type PreviewFrame, type ServerEvent } from './events.ts'
import { parseJson } from './json.ts'
import type { Routes } from './request.ts'

export type Connection = 'connecting' | 'open' | 'lost'

export interface SocketHandlers {
  event(event: ServerEvent): void
  preview(frame: PreviewFrame): void
  /** `again` is true when this is not the first connection: what was missed has to be read anew. */
  connected(again: boolean): void
  state(connection: Connection): void
}

const FIRST_WAIT = 500
const LONGEST_WAIT = 10_000

export class Socket {
  /** Session id, chosen by the server. */
  id: string
  private readonly routes: Routes
  private readonly handlers: SocketHandlers
  private socket: WebSocket | null = null
  private wait = FIRST_WAIT
  private again = false
  private isClosed = false

  constructor(routes: Routes, id: string, handlers: SocketHandlers) {
    this.routes = routes
    this.id = id
    this.handlers = handlers
    this.open()
    if (typeof document === 'undefined') return
    window.addEventListener('online', () => this.hurry())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.hurry()
    })
  }

  /** Ends the connection for good. */
  close(): void {
    this.isClosed = true
    this.socket?.close()
  }

  private open(): void {
    this.handlers.state(this.again ? 'lost' : 'connecting')
    const socket = new WebSocket(this.routes.socket({ clientId: this.id }))
    this.socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.opened(socket)
    socket.onmessage = (event: MessageEvent<unknown>) => this.received(event.data)
    socket.onclose = () => this.closed(socket)
  }

  private opened(socket: WebSocket): void {
    socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }))
    this.wait = FIRST_WAIT
    this.handlers.state('open')
    this.handlers.connected(this.again)
    this.again = true
  }

  private received(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      const frame = parseFrame(data)
      if (frame) this.handlers.preview(frame)
      return
    }
    let event: ServerEvent | null
    try {
      event = parseEvent(parseJson(String(data)))
    } catch {
      return
    }
    if (!event) return
    if (event.type === 'status' && event.data.sid !== undefined) this.id = event.data.sid
    this.handlers.event(event)
  }

  private closed(socket: WebSocket): void {
    if (this.socket !== socket) return
    this.socket = null
    this.handlers.state('lost')
    if (this.isClosed) return
    setTimeout(() => {
      if (!this.socket) this.open()
    }, this.wait)
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2)
  }

  private hurry(): void {
    this.wait = FIRST_WAIT
    if (!this.socket && !this.isClosed) this.open()
  }
}
