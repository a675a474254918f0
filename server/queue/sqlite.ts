/** The queue: in memory while the server runs, and in a SQLite file for when it ends. */
import type Database from 'libsql'
import type { Secrets } from '../engine/protocol.ts'
import { parseOwn } from '../json.ts'
import type { Writer } from '../store/writer.ts'
import { byTurn, DuplicateError, type Job, type JobTexts, type NewJob, type QueuePort } from './port.ts'

interface Row {
  readonly place: number
  readonly prompt_id: string
  readonly number: number
  readonly attempt: number
  readonly prompt: string
  readonly extra_data: string
  readonly outputs: string
}

function toJob({ number, prompt_id: promptId, attempt, prompt, extra_data, outputs }: Row): Job {
  const extraData = parseOwn(extra_data) as Job['extraData']
  const texts = { prompt, extraData: extra_data, outputs }
  return { number, promptId, attempt, extraData, outputs: parseOwn(outputs) as Job['outputs'], texts }
}

const lengthOf = ({ prompt, extraData, outputs }: JobTexts): number => prompt.length + extraData.length + outputs.length

/** A job as memory holds it. */
interface Entry {
  /** Its row in the file. */
  readonly place: number
  number: number
  readonly promptId: string
  attempt: number
  /** The job itself unless it is large: then it is read from the file when its turn comes. */
  readonly job: NewJob | null
  readonly secrets?: Secrets | undefined
}

/** Characters of a job's text up to which it stays in memory. */
const SMALL = 1 << 14

const before = (a: Entry, b: Entry): boolean => byTurn(a, b) < 0

export class SqliteQueue implements QueuePort {
  readonly #writer: Writer
  readonly #statements
  /** In the order they will run. */
  readonly #pending: Entry[] = []
  readonly #running = new Map<string, Entry>()
  /** Ids of all jobs that run, wait, or are being written. */
  readonly #ids = new Set<string>()
  /** Marks of running jobs that are not written yet: a short job is over before they need be. */
  readonly #unmarked = new Set<string>()
  /** The last number given; on disk as of the last job that was put. */
  #number: number
  /** The last row given. */
  #place = 0
  #paused: boolean

  constructor(database: Database.Database, writer: Writer) {
    this.#writer = writer
    const select = database.prepare('SELECT value FROM counters WHERE id = ?')
    const counter = (id: string) => (select.get(id) as { value: number } | undefined)?.value ?? 0
    this.#number = counter('number')
    this.#paused = counter('paused') === 1
    const prepare = (sql: string) => database.prepare(sql)
    this.#statements = {
      count: prepare(`INSERT OR REPLACE INTO counters VALUES ('number', ?)`),
      pause: prepare(`INSERT OR REPLACE INTO counters VALUES ('paused', ?)`),
      move: prepare('UPDATE queue SET number = ? WHERE place = ?'),
      put: prepare(`INSERT INTO queue VALUES (?, ?, ?, 'pending', 0, ?, ?, ?)`),
      get: prepare('SELECT * FROM queue WHERE place = ?'),
      mark: prepare('UPDATE queue SET state = ?, attempt = ? WHERE place = ?'),
      drop: prepare('DELETE FROM queue WHERE place = ?'),
      all: prepare('SELECT place, prompt_id, number, attempt FROM queue ORDER BY number, prompt_id'),
      lost: prepare(`UPDATE queue SET state = 'pending' WHERE state = 'running'`),
      ended: prepare('DELETE FROM queue WHERE prompt_id IN (SELECT prompt_id FROM history)'),
    }
  }

  /** Reads what the last server left. Jobs that were running then are pending again, their attempt counted; tells how many. */
  recover(): number {
    // A server that died between writing the history and emptying the queue has finished these.
    this.#statements.ended.run()
    const { changes } = this.#statements.lost.run()
    for (const row of this.#statements.all.all() as Pick<Row, 'place' | 'prompt_id' | 'number' | 'attempt'>[]) {
      this.#ids.add(row.prompt_id)
      const { place, number, prompt_id: promptId, attempt } = row
      this.#place = Math.max(this.#place, place)
      this.#pending.push({ place, number, promptId, attempt, job: null })
    }
    return changes
  }

  nextNumber(): Promise<number> {
    return Promise.resolve(++this.#number)
  }

  async put(job: NewJob): Promise<void> {
    const { promptId, texts } = job
    if (this.#ids.has(promptId)) throw new DuplicateError(`a prompt with the id ${promptId} is in the queue already`)
    this.#ids.add(promptId)
    const place = ++this.#place
    try {
      this.#writer.writeLast(this.#count)
      const { prompt, extraData, outputs } = texts
      await this.#writer.durable(() =>
        this.#statements.put.run(place, promptId, job.number, prompt, extraData, outputs),
      )
      const kept = lengthOf(texts) <= SMALL ? job : null
      this.#insert({ place, number: job.number, promptId, attempt: 0, job: kept, secrets: job.secrets })
    } catch (error) {
      this.#ids.delete(promptId)
      throw error
    }
  }

  take(): Job | null {
    const entry = this.#pending.shift()
    if (!entry) return null
    entry.attempt++
    this.#running.set(entry.promptId, entry)
    this.#unmarked.add(entry.promptId)
    this.#writer.write(() => {
      if (this.#unmarked.delete(entry.promptId)) this.#statements.mark.run('running', entry.attempt, entry.place)
    })
    return this.#jobOf(entry)
  }

  giveBack(promptId: string, attempts: number): void {
    const entry = this.#running.get(promptId)
    if (!entry) return
    this.#running.delete(promptId)
    this.#unmarked.delete(promptId)
    entry.attempt = attempts
    this.#insert(entry)
    this.#writer.write(() => this.#statements.mark.run('pending', attempts, entry.place))
  }

  finish(promptId: string): void {
    const entry = this.#running.get(promptId)
    this.#running.delete(promptId)
    if (entry) this.#drop([entry])
  }

  isBehind(promptId: string): boolean {
    const [taken, next] = [this.#running.get(promptId), this.#pending[0]]
    return taken !== undefined && next !== undefined && before(next, taken)
  }

  list(): Promise<{ running: readonly Job[]; pending: readonly Job[] }> {
    const jobs = (entries: Iterable<Entry>) => [...entries].map((entry) => this.#jobOf(entry))
    return Promise.resolve({ running: jobs(this.#running.values()), pending: jobs(this.#pending) })
  }

  size(): number {
    return this.#pending.length + this.#running.size
  }

  has(promptId: string): Promise<boolean> {
    return Promise.resolve(this.#ids.has(promptId))
  }

  remove(promptIds: readonly string[]): Promise<readonly string[]> {
    const wanted = new Set(promptIds)
    const gone = this.#pending.filter(({ promptId }) => wanted.has(promptId))
    this.#keep(({ promptId }) => !wanted.has(promptId))
    this.#drop(gone)
    this.#writer.flush()
    return Promise.resolve(gone.map(({ promptId }) => promptId))
  }

  clear(): Promise<void> {
    const gone = [...this.#pending]
    this.#keep(() => false)
    this.#drop(gone)
    this.#writer.flush()
    return Promise.resolve()
  }

  async move(promptId: string, number: number): Promise<boolean> {
    const entry = this.#pending.find((one) => one.promptId === promptId)
    if (!entry) return false
    this.#keep((one) => one !== entry)
    entry.number = number
    this.#insert(entry)
    await this.#writer.durable(() => this.#statements.move.run(number, entry.place))
    return true
  }

  get isPaused(): boolean {
    return this.#paused
  }

  async setPaused(paused: boolean): Promise<void> {
    this.#paused = paused
    await this.#writer.durable(() => this.#statements.pause.run(paused ? 1 : 0))
  }

  #keep(wanted: (entry: Entry) => boolean): void {
    const kept = this.#pending.filter(wanted)
    this.#pending.splice(0, this.#pending.length, ...kept)
  }

  readonly #count = (): void => void this.#statements.count.run(this.#number)

  #drop(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    for (const { promptId } of entries) {
      this.#ids.delete(promptId)
      this.#unmarked.delete(promptId)
    }
    this.#writer.write(() => entries.forEach(({ place }) => this.#statements.drop.run(place)))
  }

  #insert(entry: Entry): void {
    let [low, high] = [0, this.#pending.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#pending[middle]
      if (other && before(other, entry)) low = middle + 1
      else high = middle
    }
    this.#pending.splice(low, 0, entry)
  }

  #jobOf(entry: Entry): Job {
    if (entry.job) return { ...entry.job, number: entry.number, attempt: entry.attempt }
    this.#writer.flush()
    return { ...toJob(this.#statements.get.get(entry.place) as Row), attempt: entry.attempt, secrets: entry.secrets }
  }
}
