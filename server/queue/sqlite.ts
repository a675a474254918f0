/** The queue in a SQLite file. */
import type Database from 'libsql'
import { parseExact, stringifyExact } from '../json.ts'
import { durably } from '../store/database.ts'
import { DuplicateError, type Job, type QueuePort } from './port.ts'

interface Row {
  readonly prompt_id: string
  readonly number: number
  readonly state: 'pending' | 'running'
  readonly attempt: number
  readonly job: string
}

type Stored = Pick<Job, 'prompt' | 'extraData' | 'outputs'>

function toJob(row: Row): Job {
  const stored = parseExact(row.job) as Stored
  return { number: row.number, promptId: row.prompt_id, attempt: row.attempt, ...stored }
}

const IN_ORDER = 'ORDER BY number, prompt_id'

export class SqliteQueue implements QueuePort {
  readonly #database: Database.Database
  readonly #statements
  /** The last number given; on disk as of the last job that was put. */
  #number: number

  constructor(database: Database.Database) {
    this.#database = database
    const counter = database.prepare(`SELECT value FROM counters WHERE id = 'number'`).get() as
      { value: number } | undefined
    this.#number = counter?.value ?? 0
    const prepare = (sql: string) => database.prepare(sql)
    this.#statements = {
      count: prepare(`INSERT OR REPLACE INTO counters VALUES ('number', ?)`),
      put: prepare(`INSERT INTO queue VALUES (?, ?, 'pending', 0, ?)`),
      next: prepare(`SELECT * FROM queue WHERE state = 'pending' ${IN_ORDER} LIMIT 1`),
      take: prepare(`UPDATE queue SET state = 'running', attempt = attempt + 1 WHERE prompt_id = ?`),
      giveBack: prepare(`UPDATE queue SET state = 'pending', attempt = ? WHERE prompt_id = ?`),
      finish: prepare('DELETE FROM queue WHERE prompt_id = ?'),
      list: prepare(`SELECT * FROM queue ${IN_ORDER}`),
      size: prepare('SELECT count(*) AS size FROM queue'),
      has: prepare('SELECT 1 AS found FROM queue WHERE prompt_id = ?'),
      remove: prepare(`DELETE FROM queue WHERE prompt_id = ? AND state = 'pending'`),
      clear: prepare(`DELETE FROM queue WHERE state = 'pending'`),
      lost: prepare(`UPDATE queue SET state = 'pending' WHERE state = 'running'`),
    }
  }

  /** Jobs that were running when the last server ended; they are pending again, their attempt counted. */
  recover(): number {
    return this.#statements.lost.run().changes
  }

  nextNumber(): Promise<number> {
    return Promise.resolve(++this.#number)
  }

  put(job: Omit<Job, 'attempt'>): Promise<void> {
    const stored: Stored = { prompt: job.prompt, extraData: job.extraData, outputs: job.outputs }
    if (this.#statements.has.get(job.promptId))
      return Promise.reject(new DuplicateError(`a prompt with the id ${job.promptId} is in the queue already`))
    const write = this.#database.transaction(() => {
      this.#statements.count.run(this.#number)
      this.#statements.put.run(job.promptId, job.number, stringifyExact(stored))
    })
    durably(this.#database, write)
    return Promise.resolve()
  }

  take(): Promise<Job | null> {
    const row = this.#statements.next.get() as Row | undefined
    if (!row) return Promise.resolve(null)
    this.#statements.take.run(row.prompt_id)
    return Promise.resolve(toJob({ ...row, attempt: row.attempt + 1 }))
  }

  giveBack(promptId: string, attempts: number): Promise<void> {
    this.#statements.giveBack.run(attempts, promptId)
    return Promise.resolve()
  }

  finish(promptId: string): Promise<void> {
    this.#statements.finish.run(promptId)
    return Promise.resolve()
  }

  list(): Promise<{ running: readonly Job[]; pending: readonly Job[] }> {
    const rows = this.#statements.list.all() as Row[]
    const jobs = (state: Row['state']) => rows.filter((row) => row.state === state).map(toJob)
    return Promise.resolve({ running: jobs('running'), pending: jobs('pending') })
  }

  size(): Promise<number> {
    return Promise.resolve((this.#statements.size.get() as { size: number }).size)
  }

  has(promptId: string): Promise<boolean> {
    return Promise.resolve(this.#statements.has.get(promptId) !== undefined)
  }

  remove(promptIds: readonly string[]): Promise<readonly string[]> {
    const removeAll = this.#database.transaction(() =>
      promptIds.filter((id) => this.#statements.remove.run(id).changes > 0),
    )
    return Promise.resolve(removeAll())
  }

  clear(): Promise<void> {
    this.#statements.clear.run()
    return Promise.resolve()
  }
}
