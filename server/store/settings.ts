/** The editor's settings, value by value, in SQLite: out of reach of the routes for user files. */
import type Database from 'libsql'
import { parseExact, stringifyExact } from '../json.ts'

interface Row {
  readonly id: string
  readonly value: string
}

export class Settings {
  readonly #database: Database.Database

  constructor(database: Database.Database) {
    this.#database = database
  }

  all(): Record<string, unknown> {
    const rows = this.#database.prepare('SELECT id, value FROM settings').all() as Row[]
    return Object.fromEntries(rows.map(({ id, value }) => [id, parseExact(value)]))
  }

  /** Null for a setting that was never made. */
  get(id: string): unknown {
    const row = this.#database.prepare('SELECT id, value FROM settings WHERE id = ?').get(id) as Row | undefined
    return row === undefined ? null : parseExact(row.value)
  }

  merge(values: Readonly<Record<string, unknown>>): void {
    const put = this.#database.prepare('INSERT OR REPLACE INTO settings VALUES (?, ?)')
    this.#database.transaction(() => {
      for (const [id, value] of Object.entries(values)) put.run(id, stringifyExact(value))
    })()
  }
}
