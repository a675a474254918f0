/** Which sampling run the report panel shows: the newest of the open workflow, another of it, or one of a finished prompt. */
import type { ReportSummary, StoredReport } from './sdk/heddle.ts'
import { server } from './server.ts'
import type { App } from './app.ts'
import type { WeaveRun } from './model/weave.ts'

/** A run that can be shown. */
export interface Choice {
  readonly key: string
  readonly label: string
  /** Node of the open workflow, or null for a finished prompt's. */
  readonly node: string | null
  readonly run: WeaveRun
}

const keyOf = (node: string, run: WeaveRun): string => `${node}/${run.index}`

export class Reports {
  /** By prompt id, of the newest results. */
  summaries: ReadonlyMap<string, readonly ReportSummary[]> = new Map()
  private readonly app: App
  private opened: readonly StoredReport[] | null = null
  /** The user's choice; null follows what runs. */
  private key: string | null = null

  constructor(app: App) {
    this.app = app
  }

  /** True while a finished prompt is looked at. */
  get isStored(): boolean {
    return this.opened !== null
  }

  get choices(): Choice[] {
    if (this.opened)
      return this.opened.map(({ node, run }, i) => {
        const again = run.index > 0 ? `, run ${run.index + 1}` : ''
        return { key: String(i), label: `${run.method ?? 'No cache'} · node ${node}${again}`, node: null, run }
      })
    const { runs } = this.app
    return runs.samplers.flatMap((id) => {
      const { weave, earlier } = runs.of(id)
      const all = weave ? [...earlier, weave] : []
      return all.map((run) => {
        const which = earlier.length > 0 ? `, run ${run.index + 1}` : ''
        return { key: keyOf(id, run), label: `${this.app.titleOf(id)}${which}`, node: id, run }
      })
    })
  }

  /** The one that is shown; null when there is none. */
  get shown(): Choice | null {
    const all = this.choices
    const latest = this.app.runs.latestWeave
    const weave = latest === null ? null : this.app.runs.of(latest).weave
    const key = this.key ?? (this.opened ? '0' : latest !== null && weave ? keyOf(latest, weave) : null)
    return all.find((choice) => choice.key === key) ?? all.at(-1) ?? null
  }

  choose(key: string): void {
    this.key = key
    this.app.update()
  }

  /** Shows a finished prompt's. */
  async open(promptId: string): Promise<void> {
    this.opened = await server.reports.of(promptId)
    this.key = null
    this.app.update()
  }

  /** Back to the open workflow. */
  close(): void {
    this.opened = null
    this.key = null
    this.app.update()
  }

  async refresh(): Promise<void> {
    this.summaries = await server.reports.summaries()
  }
}

/** In a few words: which cache saved how much. */
export function summaryText({ method, computedBlocks, totalBlocks }: ReportSummary): string {
  if (method === null || computedBlocks === 0) return ''
  return `${method} ${(totalBlocks / computedBlocks).toFixed(2)}×`
}
