/** Opens the one SQLite file of a data folder: checked, locked against a second server, and moved aside when it is damaged. */
import { existsSync, renameSync } from 'node:fs'
import Database from 'libsql'

/** The data folder cannot be used; the message is for the person who started the server. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
}

/** Counts changes of the schema; a file written by a newer program is left alone. */
const VERSION = 1
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS queue (
    prompt_id TEXT PRIMARY KEY, number REAL NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'running')),
    attempt INTEGER NOT NULL, job TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS queue_order ON queue (state, number, prompt_id);
  CREATE TABLE IF NOT EXISTS history (
    place INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS reports (
    prompt_id TEXT PRIMARY KEY, summary TEXT NOT NULL, reports TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS reports_go_with_history AFTER DELETE ON history
    BEGIN DELETE FROM reports WHERE prompt_id = OLD.prompt_id; END;
  CREATE TABLE IF NOT EXISTS node_times (prompt_id TEXT PRIMARY KEY, nodes TEXT NOT NULL) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS node_times_go_with_history AFTER DELETE ON history
    BEGIN DELETE FROM node_times WHERE prompt_id = OLD.prompt_id; END;
  CREATE TABLE IF NOT EXISTS settings (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (id TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

const isDamaged = (error: unknown): boolean =>
  /SQLITE_(NOTADB|CORRUPT)/.test(String((error as { code?: unknown }).code)) ||
  /not a database|malformed|corrupt/i.test(error instanceof Error ? error.message : '')

/** Holds a lock for as long as the process lives; the system drops it even after `kill -9`. */
function lock(path: string): Database.Database {
  const database = new Database(`${path}.lock`)
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw new DatabaseError(
      `${path} is in use by another server. Stop that one, or give this one its own folder with --data DIR.`,
      { cause: error },
    )
  }
}

function openChecked(path: string): Database.Database {
  const database = new Database(path)
  try {
    // NORMAL loses the newest changes in a power cut, though never in a crash; what must not be lost is synced by `Writer.durable`.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;')
    const check = database.prepare('PRAGMA quick_check(1)').get() as { quick_check?: string } | undefined
    if (check?.quick_check !== 'ok') throw new Error(`malformed database: ${check?.quick_check ?? 'no answer'}`)
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version > VERSION)
      throw new DatabaseError(`${path} was written by a newer version of this program; it is left untouched.`)
    database.exec(SCHEMA)
    database.exec(`PRAGMA user_version = ${VERSION}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Gives the damaged file and its companions another name. */
function quarantine(path: string): string {
  const suffix = `.corrupt-${new Date().toISOString().replace(/[:.]/g, '-')}`
  for (const part of ['', '-wal', '-shm']) if (existsSync(path + part)) renameSync(path + part, path + suffix + part)
  return path + suffix
}

export interface OpenedDatabase {
  readonly database: Database.Database
  /** Where a damaged file was put, if there was one. */
  readonly quarantined: string | null
  close(): void
}

/** Opens or makes the file at `path`. Throws DatabaseError when another server has it or a newer program wrote it. */
export function openDatabase(path: string): OpenedDatabase {
  const held = lock(path)
  const opened = (database: Database.Database, quarantined: string | null): OpenedDatabase => ({
    database,
    quarantined,
    close() {
      database.close()
      held.close()
    },
  })
  try {
    return opened(openChecked(path), null)
  } catch (error) {
    if (error instanceof DatabaseError || !isDamaged(error)) {
      held.close()
      throw error
    }
    const aside = quarantine(path)
    return opened(openChecked(path), aside)
  }
}
