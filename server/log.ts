/** The newest lines of the server's log, for clients that show it. */
export interface LogEntry {
  /** ISO 8601. */
  readonly t: string
  /** With its line break. */
  readonly m: string
}

const KEPT = 500

export class Log {
  readonly #entries: LogEntry[] = []
  readonly #listeners = new Map<string, (entry: LogEntry) => void>()

  add(message: string): void {
    const entry = { t: new Date().toISOString(), m: `${message}\n` }
    this.#entries.push(entry)
    if (this.#entries.length > KEPT) this.#entries.shift()
    for (const listener of this.#listeners.values()) listener(entry)
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** Tells `listener` of every further line, until another one, or null, takes its place under `id`. */
  follow(id: string, listener: ((entry: LogEntry) => void) | null): void {
    this.#listeners.delete(id)
    if (!listener) return
    this.#listeners.set(id, listener)
    const [oldest] = this.#listeners.keys()
    if (this.#listeners.size > KEPT && oldest !== undefined) this.#listeners.delete(oldest)
  }
}
