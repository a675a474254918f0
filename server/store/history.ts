/** What became of each prompt, kept in SQLite: the entries of GET /history, and beside them the reports of sampling runs. */
import type Database from 'libsql'
import type { NodeReport, PromptReports } from '../engine/samplings.ts'
import { parseExact, stringifyExact } from '../json.ts'

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

  constructor(database: Database.Database) {
    this.#database = database
  }

  /** Adds an entry as the newest, with its reports if there are any; one with the same id is replaced. */
  add(promptId: string, entry: HistoryEntry, reports: PromptReports): void {
    const add = this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM history WHERE prompt_id = ?').run(promptId)
      const { lastInsertRowid: place } = this.#database
        .prepare('INSERT INTO history (prompt_id, entry) VALUES (?, ?)')
        .run(promptId, stringifyExact(entry))
      // Places are given in order, so those KEPT below the newest are surely beyond the limit.
      this.#database.prepare('DELETE FROM history WHERE place <= ?').run(Number(place) - KEPT)
      if (reports.reports.length + reports.warnings.length > 0)
        this.#database
          .prepare('INSERT OR REPLACE INTO reports VALUES (?, ?, ?)')
          .run(promptId, stringifyExact(reports.reports.map(summaryOf)), stringifyExact(reports))
    })
    add()
  }

  get(promptId: string): HistoryEntry | null {
    const row = this.#database.prepare('SELECT entry FROM history WHERE prompt_id = ?').get(promptId)
    return row === undefined ? null : (parseExact((row as Row).entry) as HistoryEntry)
  }

  has(promptId: string): boolean {
    return this.#database.prepare('SELECT 1 AS found FROM history WHERE prompt_id = ?').get(promptId) !== undefined
  }

  /** A window over the entries, oldest first, as JSON text; `offset` -1 with `maxItems` gives the newest ones. */
  listJson(maxItems: number | null, offset: number): string {
    const { total } = this.#database.prepare('SELECT count(*) AS total FROM history').get() as { total: number }
    const skip = offset < 0 ? (maxItems === null ? 0 : Math.max(0, total - maxItems)) : offset
    const rows = this.#database
      .prepare('SELECT prompt_id, entry FROM history ORDER BY place LIMIT ? OFFSET ?')
      .all(maxItems ?? -1, skip) as Row[]
    return `{${rows.map((row) => `${JSON.stringify(row.prompt_id)}:${row.entry}`).join(',')}}`
  }

  /** The reports of a prompt in the history as JSON text of PromptReports; null when there is no such prompt. */
  reportsJson(promptId: string): string | null {
    const row = this.#database.prepare('SELECT reports FROM reports WHERE prompt_id = ?').get(promptId)
    if (row !== undefined) return (row as { reports: string }).reports
    const none: PromptReports = { reports: [], warnings: [] }
    return this.has(promptId) ? JSON.stringify(none) : null
  }

  /** Summaries of the reports of the newest prompts that have any, as JSON text: prompt id to list, oldest prompt first. */
  summariesJson(maxItems: number): string {
    const rows = this.#database
      .prepare(
        'SELECT prompt_id, summary FROM reports JOIN history USING (prompt_id) ORDER BY history.place DESC LIMIT ?',
      )
      .all(maxItems) as { prompt_id: string; summary: string }[]
    const entries = rows.reverse().map((row) => `${JSON.stringify(row.prompt_id)}:${row.summary}`)
    return `{${entries.join(',')}}`
  }

  remove(promptIds: readonly string[]): void {
    const statement = this.#database.prepare('DELETE FROM history WHERE prompt_id = ?')
    this.#database.transaction(() => promptIds.forEach((id) => statement.run(id)))()
  }

  clear(): void {
    this.#database.prepare('DELETE FROM history').run()
  }
}
