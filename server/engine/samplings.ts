/** What the events of one prompt say about its sampling runs: their reports row by row, and the warnings of all nodes. */
import type { CacheReport, ReportRow, SamplingPlan } from '../../diffusion/caching/report-types.ts'
import { isPreview, type EngineEvent } from './protocol.ts'

/** One sampling run of one node. */
export interface NodeReport {
  readonly node: string
  /** Counts the runs of this node within the prompt, from 0. */
  readonly index: number
  /** False when the run was cut short; then its seconds are those of the rows that came. */
  readonly complete: boolean
  readonly report: CacheReport
}

export interface NodeWarning {
  readonly node: string
  readonly message: string
}

/** Everything that is kept of a prompt beside ComfyUI's history entry. */
export interface PromptReports {
  readonly reports: readonly NodeReport[]
  readonly warnings: readonly NodeWarning[]
}

interface Run {
  readonly node: string
  readonly index: number
  plan: SamplingPlan
  readonly rows: ReportRow[]
  /** The sums, once the run has ended. */
  totals: Omit<CacheReport, 'rows'> | null
}

/** The sums of a run that never ended, from the rows it got to. */
function partial({ plan, rows }: Run): CacheReport {
  return {
    ...plan,
    rows,
    computedBlocks: rows.reduce((sum, row) => sum + row.blocks, 0),
    totalBlocks: plan.evaluations * plan.samples * plan.branches.length * plan.depth,
    computedFlops: rows.reduce((sum, row) => sum + row.flops, 0),
    totalFlops: 0,
    seconds: rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000,
    warnings: [],
  }
}

/** Listens to the events of one attempt at a prompt. */
export class Samplings {
  readonly #runs = new Map<string, Run>()
  readonly #warnings: NodeWarning[] = []

  note(event: EngineEvent): void {
    if (isPreview(event)) return
    const { data } = event
    const node = String(data['node'])
    if (event.type === 'heddle.warning') this.#warnings.push({ node, message: String(data['message']) })
    if (event.type === 'heddle.cache') {
      // The engine's own reporter wrote these, from values of these types.
      const { run, rows } = data as unknown as { run: SamplingPlan & { index: number }; rows: readonly ReportRow[] }
      const { index, ...plan } = run
      this.#run(node, index, plan).rows.push(...rows)
    }
    if (event.type === 'heddle.sampled') {
      const { prompt_id: _, node: _node, index, ...totals } = data as unknown as Totals
      this.#run(node, index, totals).totals = totals
    }
  }

  get all(): PromptReports {
    const reports = [...this.#runs.values()].map((run): NodeReport => {
      const { node, index, totals, rows } = run
      return { node, index, complete: totals !== null, report: totals ? { ...totals, rows } : partial(run) }
    })
    return { reports, warnings: this.#warnings }
  }

  #run(node: string, index: number, plan: SamplingPlan): Run {
    const key = `${node}/${index}`
    const known = this.#runs.get(key)
    if (known) return known
    const fresh: Run = { node, index, plan, rows: [], totals: null }
    this.#runs.set(key, fresh)
    return fresh
  }
}

type Totals = Omit<CacheReport, 'rows'> & { readonly prompt_id: string; readonly node: string; readonly index: number }
