/** Opens the one SQLite file of a data folder: checked, locked against a second server, and moved aside when it is damaged. */
import { accessSync, constants, existsSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'libsql'

/** The data folder cannot be used; the message is for the person who started the server. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
}

/** Counts changes of the schema; a file written by a newer program is left alone. */
const VERSION = 2
/** Pages that the log grows to before they are put in their places: the more, the fewer are written twice. */
const LOG_PAGES = 4000
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS queue (
    place INTEGER PRIMARY KEY, prompt_id TEXT NOT NULL, number REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running')), attempt INTEGER NOT NULL,
    prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS history (
    place INTEGER PRIMARY KEY, prompt_id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL, nodes TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS reports (
    prompt_id TEXT PRIMARY KEY, summary TEXT NOT NULL, reports TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS reports_go_with_history AFTER DELETE ON history
    BEGIN DELETE FROM reports WHERE prompt_id = OLD.prompt_id; END;
  CREATE TABLE IF NOT EXISTS settings (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (id TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

/** Brings a file of version 1, whose rows were looked up by prompt id and not by their place, up to date. */
const FROM_1 = `
  BEGIN;
  CREATE TABLE IF NOT EXISTS node_times (prompt_id TEXT PRIMARY KEY, nodes TEXT NOT NULL) WITHOUT ROWID;
  DROP TRIGGER IF EXISTS node_times_go_with_history;
  DROP TRIGGER IF EXISTS reports_go_with_history;
  DROP INDEX IF EXISTS queue_order;
  ALTER TABLE queue RENAME TO queue_1;
  ALTER TABLE history RENAME TO history_1;
  ${SCHEMA}
  INSERT INTO queue (prompt_id, number, state, attempt, prompt, extra_data, outputs)
    SELECT prompt_id, number, state, attempt, json_extract(job, '$.prompt'), json_extract(job, '$.extraData'),
      json_extract(job, '$.outputs') FROM queue_1 ORDER BY number, prompt_id;
  INSERT INTO history SELECT place, prompt_id, entry, coalesce(nodes, '{}') FROM history_1 LEFT JOIN node_times USING (prompt_id);
  DROP TABLE queue_1;
  DROP TABLE history_1;
  DROP TABLE node_times;
  PRAGMA user_version = ${VERSION};
  COMMIT;
`

const isDamaged = (error: unknown): boolean =>
  /SQLITE_(NOTADB|CORRUPT)/.test(String((error as { code?: unknown }).code)) ||
  /not a database|malformed|corrupt/i.test(error instanceof Error ? error.message : '')

/** Why a file cannot be opened for reading and writing, as far as its path tells; else what the library says. */
function reasonFor(path: string, error: unknown): string {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return 'it is a folder'
    accessSync(existsSync(path) ? path : dirname(path), constants.R_OK | constants.W_OK)
  } catch (denied) {
    return denied instanceof Error ? denied.message : String(denied)
  }
  return error instanceof Error ? error.message : String(error)
}

/** For a file that is not damaged and still cannot be used. */
const unusable = (path: string, error: unknown): DatabaseError =>
  new DatabaseError(
    `${path} cannot be opened as the database: ${reasonFor(path, error)}. Move it away or mend it, or give this server its own folder with --data DIR.`,
    { cause: error },
  )

function connect(path: string): Database.Database {
  try {
    return new Database(path)
  } catch (error) {
    throw unusable(path, error)
  }
}

const isBusy = (error: unknown): boolean => String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')

/** Holds a lock for as long as the process lives; the system drops it even after `kill -9`. */
function lock(path: string): Database.Database {
  const database = connect(`${path}.lock`)
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw unusable(`${path}.lock`, error)
    throw new DatabaseError(
      `${path} is in use by another server. Stop that one, or give this one its own folder with --data DIR.`,
      { cause: error },
    )
  }
}

function openChecked(path: string): Database.Database {
  const database = connect(path)
  try {
    // NORMAL loses the newest changes in a power cut, though never in a crash; what must not be lost is synced by `Writer.durable`.
    // A replaced row goes like a deleted one, with what belongs to it.
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000; PRAGMA recursive_triggers = ON;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
    `)
    const check = database.prepare('PRAGMA quick_check(1)').get() as { quick_check?: string } | undefined
    if (check?.quick_check !== 'ok') throw new Error(`malformed database: ${check?.quick_check ?? 'no answer'}`)
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version > VERSION)
      throw new DatabaseError(`${path} was written by a newer version of this program; it is left untouched.`)
    if (version === 1) database.exec(FROM_1)
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

/** Opens or makes the file at `path`. Throws DatabaseError when another server has it, a newer program wrote it, or it cannot be opened. */
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
      throw error instanceof DatabaseError ? error : unusable(path, error)
    }
    const aside = quarantine(path)
    return opened(openChecked(path), aside)
  }
}
