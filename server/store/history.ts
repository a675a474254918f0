/** What became of each prompt, kept in SQLite: the entries of GET /history, and beside them node times and the reports of sampling runs. */
import type Database from 'libsql'
import type { NodeReport, PromptReports } from '../engine/samplings.ts'
import { parseOwn, stringifyExact } from '../json.ts'
import type { NodeProgress } from '../queue/node-times.ts'
import type { Writer } from './writer.ts'

/** An entry as ComfyUI publishes it. */
export interface HistoryEntry {
  readonly prompt: readonly [
    number: number,
    promptId: string,
    prompt: unknown,
    extraData: Readonly<Record<string, unknown>>,
    outputs: readonly string[],
  ]
  /** Output of each node that showed something. */
  readonly outputs: Readonly<Record<string, unknown>>
  readonly status: {
    readonly status_str: 'success' | 'error'
    readonly completed: boolean
    readonly messages: readonly (readonly [event: string, data: unknown])[]
  }
  readonly meta: Readonly<Record<string, unknown>>
}

/** What is kept of a prompt beside its entry, which holds what ComfyUI tells and nothing else. */
export interface Beside {
  readonly reports: PromptReports
  /** What the nodes took, by id. */
  readonly nodes: Readonly<Record<string, NodeProgress>>
}

/** As many entries as ComfyUI keeps; the oldest go first. */
const KEPT = 10_000

/** What a list of runs shows of a report. */
const summaryOf = ({ node, index, complete, report }: NodeReport) => {
  const { method, evaluations, computedBlocks, totalBlocks, seconds, warnings } = report
  return { node, index, complete, method, evaluations, computedBlocks, totalBlocks, seconds, warnings }
}

interface Row {
  readonly prompt_id: string
  readonly entry: string
}

export class History {
  readonly #database: Database.Database
  readonly #writer: Writer
  readonly #statements
  /** Entries that are not written yet, as JSON. */
  readonly #unwritten = new Map<string, string>()
  /** Places are given in order, so those KEPT below the newest are surely beyond the limit. */
  #place: number
  #forget: (promptIds: readonly string[] | null) => void = () => undefined

  constructor(database: Database.Database, writer: Writer) {
    this.#database = database
    this.#writer = writer
    const prepare = (sql: string) => database.prepare(sql)
    this.#place = (prepare('SELECT max(place) AS place FROM history').get() as { place: number | null }).place ?? 0
    this.#statements = {
      add: prepare('INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)'),
      shorten: prepare('DELETE FROM history WHERE place <= ?'),
      report: prepare('INSERT OR REPLACE INTO reports VALUES (?, ?, ?)'),
      timesOf: prepare('SELECT nodes FROM history WHERE prompt_id = ?'),
      get: prepare('SELECT entry FROM history WHERE prompt_id = ?'),
      has: prepare('SELECT 1 AS found FROM history WHERE prompt_id = ?'),
    }
  }

  /** Adds an entry, as JSON, as the newest, with what is kept beside it; one with the same id is replaced. */
  add(promptId: string, entry: string, { reports, nodes }: Beside): void {
    this.#forget([promptId])
    this.#unwritten.set(promptId, entry)
    this.#writer.write(() => {
      this.#unwritten.delete(promptId)
      this.#statements.add.run(++this.#place, promptId, entry, JSON.stringify(nodes))
      if (reports.reports.length + reports.warnings.length > 0)
        this.#statements.report.run(promptId, stringifyExact(reports.reports.map(summaryOf)), stringifyExact(reports))
    })
    this.#writer.writeLast(this.#shorten)
  }

  readonly #shorten = (): void => void this.#statements.shorten.run(this.#place - KEPT)

  /** Who remembers something of entries hears which of them change or go; null means all. */
  onForget(listener: (promptIds: readonly string[] | null) => void): void {
    this.#forget = listener
  }

  /** Ids of all prompts, oldest first. */
  ids(): string[] {
    this.#writer.flush()
    const rows = this.#database.prepare('SELECT prompt_id FROM history ORDER BY place').all() as { prompt_id: string }[]
    return rows.map((row) => row.prompt_id)
  }

  get(promptId: string): HistoryEntry | null {
    const text = this.getJson(promptId)
    return text === null ? null : (parseOwn(text) as HistoryEntry)
  }

  /** An entry as JSON. */
  getJson(promptId: string): string | null {
    const row = this.#statements.get.get(promptId) as Row | undefined
    return this.#unwritten.get(promptId) ?? row?.entry ?? null
  }

  /** What the nodes of a prompt in the history took, by id. */
  nodesOf(promptId: string): Beside['nodes'] {
    this.#writer.flush()
    const row = this.#statements.timesOf.get(promptId) as { nodes: string } | undefined
    return row === undefined ? {} : (JSON.parse(row.nodes) as Beside['nodes'])
  }

  has(promptId: string): boolean {
    return this.#unwritten.has(promptId) || this.#statements.has.get(promptId) !== undefined
  }

  /** A window over the entries, oldest first, as JSON text; `offset` -1 with `maxItems` gives the newest ones. */
  listJson(maxItems: number | null, offset: number): string {
    this.#writer.flush()
    const { total } = this.#database.prepare('SELECT count(*) AS total FROM history').get() as { total: number }
    const skip = offset < 0 ? (maxItems === null ? 0 : Math.max(0, total - maxItems)) : offset
    const rows = this.#database
      .prepare('SELECT prompt_id, entry FROM history ORDER BY place LIMIT ? OFFSET ?')
      .all(maxItems ?? -1, skip) as Row[]
    return `{${rows.map((row) => `${JSON.stringify(row.prompt_id)}:${row.entry}`).join(',')}}`
  }

  /** The reports of a prompt in the history as JSON text of PromptReports; null when there is no such prompt. */
  reportsJson(promptId: string): string | null {
    this.#writer.flush()
    const row = this.#database.prepare('SELECT reports FROM reports WHERE prompt_id = ?').get(promptId)
    if (row !== undefined) return (row as { reports: string }).reports
    const none: PromptReports = { reports: [], warnings: [] }
    return this.has(promptId) ? JSON.stringify(none) : null
  }

  /** Summaries of the reports of the newest prompts that have any, as JSON text: prompt id to list, oldest prompt first. */
  summariesJson(maxItems: number): string {
    this.#writer.flush()
    const rows = this.#database
      .prepare(
        'SELECT prompt_id, summary FROM reports JOIN history USING (prompt_id) ORDER BY history.place DESC LIMIT ?',
      )
      .all(maxItems) as { prompt_id: string; summary: string }[]
    const entries = rows.reverse().map((row) => `${JSON.stringify(row.prompt_id)}:${row.summary}`)
    return `{${entries.join(',')}}`
  }

  remove(promptIds: readonly string[]): void {
    if (promptIds.length === 0) return
    this.#forget(promptIds)
    this.#writer.flush()
    const statement = this.#database.prepare('DELETE FROM history WHERE prompt_id = ?')
    this.#database.transaction(() => promptIds.forEach((id) => statement.run(id)))()
  }

  clear(): void {
    this.#forget(null)
    this.#writer.flush()
    this.#database.prepare('DELETE FROM history').run()
  }
}
