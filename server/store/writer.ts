/** Gathers changes of the database into few transactions, and syncs the log once for all that wait for it. */
import { closeSync, existsSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import type Database from 'libsql'

/** Milliseconds that a change which nobody waits for may stay in memory. */
const SOON = 5

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const datasync = promisify(fdatasync)
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/**
 * Changes are written in the order they come. Committing only hands them to the system, where they survive the end of this process;
 * `durable` also syncs the write-ahead log, off this thread: that is what survives a power cut, and what takes the time.
 */
export class Writer {
  readonly #transaction: (changes: readonly (() => void)[]) => void
  readonly #log: string
  readonly #onFailure: (error: Error) => void
  #changes: (() => void)[] = []
  /** Changes that follow the others of their transaction. */
  readonly #last = new Set<() => void>()
  #waiting: Waiter[] = []
  #timer: NodeJS.Timeout | null = null
  #immediate: NodeJS.Immediate | null = null
  #syncing: Promise<void> | null = null
  /** The log, held open: syncing any descriptor of a file writes all of it. */
  #descriptor: number | null = null

  /** `path` is that of the database; `onFailure` hears of changes that nobody waits for and that could not be written. */
  constructor(database: Database.Database, path: string, onFailure: (error: Error) => void) {
    this.#log = `${path}-wal`
    this.#onFailure = onFailure
    this.#transaction = database.transaction((changes: readonly (() => void)[]) => {
      for (const change of changes) change()
    })
  }

  /** Has `change` run within a few milliseconds, together with others. */
  write(change: () => void): void {
    this.#changes.push(change)
    this.#timer ??= setTimeout(() => this.#flushQuietly(), SOON)
  }

  /** Has `change` run at the end of the next transaction, once however often that is asked for until then. */
  writeLast(change: () => void): void {
    this.#last.add(change)
    this.#timer ??= setTimeout(() => this.#flushQuietly(), SOON)
  }

  /** Runs `change` and resolves once it is on the disk itself. Throws what it throws, and then nothing of it is kept. */
  durable(change: () => void): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#changes.push(change)
    this.#immediate ??= setImmediate(() => void this.#sync())
    return done
  }

  /** Writes what is gathered, now. Throws when that fails; then none of it is written. */
  flush(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const changes = [...this.#changes, ...this.#last]
    if (changes.length === 0) return
    this.#changes = []
    this.#last.clear()
    this.#transaction(changes)
  }

  /** Writes and syncs the rest. */
  async close(): Promise<void> {
    await this.#sync()
    await this.#syncing
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }

  #flushQuietly(): void {
    try {
      this.flush()
    } catch (error) {
      this.#onFailure(asError(error))
    }
  }

  /** Commits and syncs for all who wait; who comes meanwhile is taken by the next round. */
  async #sync(): Promise<void> {
    this.#immediate = null
    if (this.#syncing) return
    const waiting = this.#waiting
    this.#waiting = []
    try {
      this.flush()
      if (waiting.length === 0) return
      this.#syncing = this.#syncLog()
      await this.#syncing
      for (const { resolve } of waiting) resolve()
    } catch (error) {
      if (waiting.length === 0) this.#onFailure(asError(error))
      for (const { reject } of waiting) reject(asError(error))
    } finally {
      this.#syncing = null
      if (this.#waiting.length > 0) this.#immediate ??= setImmediate(() => void this.#sync())
    }
  }

  #syncLog(): Promise<void> {
    if (this.#descriptor === null && existsSync(this.#log)) this.#descriptor = openSync(this.#log, 'r+')
    const descriptor = this.#descriptor
    if (descriptor === null)
      return Promise.reject(new Error(`${this.#log} is missing: the database keeps no write-ahead log`))
    return datasync(descriptor)
  }
}
