/** Reports of finished prompts, as the server keeps them beside its history. */
import type { ReportRow } from '../../diffusion/caching/report-types.ts'
import { reportRow, samplingEnd, samplingPlan } from './events.ts'
import type { Routes } from './request.ts'
import { z } from './zod.ts'

/** What is known once a sampling run has ended. */
export interface SamplingEnd {
  /** Wall-clock time of the sampler. */
  readonly seconds: number
  /** Estimated operations of a plain run; 0 where the model cannot tell. */
  readonly totalFlops: number
  readonly warnings: readonly string[]
  /** Bytes: of the process at most, of open weights at most, and what these may take. */
  readonly memory?: { readonly resident: number; readonly weights: number; readonly budget: number }
}

/** What one sampling run did, as far as it is known. */
export interface SamplingRun {
  readonly evaluations: number
  /** Blocks of the model. */
  readonly depth: number
  readonly method: string | null
  /** The method's settings. */
  readonly params: Readonly<Record<string, unknown>>
  /** Which of the node's runs in its prompt this is, from 0. */
  readonly index: number
  readonly rows: readonly ReportRow[]
  /** Null while it runs, and for ever when it was cut short. */
  readonly end: SamplingEnd | null
}

/** One sampling run of a finished prompt. */
export interface StoredReport {
  readonly node: string
  readonly run: SamplingRun
}

const stored = z.object({
  reports: z.array(
    z.object({
      node: z.string(),
      index: z.number().int().min(0),
      complete: z.boolean(),
      report: samplingPlan.omit({ index: true }).extend({ rows: z.array(reportRow), ...samplingEnd.shape }),
    }),
  ),
})

/** Checks the answer of GET /heddle/reports/{id}; throws a ZodError for one that makes no sense. */
export const storedReports = (json: unknown): StoredReport[] =>
  stored.parse(json).reports.map(({ node, index, complete, report }) => {
    const { seconds, totalFlops, warnings, memory, ...plan } = report
    return {
      node,
      run: { ...plan, index, end: complete ? { seconds, totalFlops, warnings, ...(memory ? { memory } : {}) } : null },
    }
  })

/** What a list of results says of one sampling run. */
export interface ReportSummary {
  readonly node: string
  readonly method: string | null
  readonly computedBlocks: number
  readonly totalBlocks: number
  readonly warnings: readonly string[]
}

const summary = z.object({
  node: z.string(),
  method: z.string().nullable().catch(null),
  computedBlocks: z.number(),
  totalBlocks: z.number(),
  warnings: z.array(z.string()).catch([]),
})

/** Checks the answer of GET /heddle/reports: summaries by prompt id. */
export const reportSummaries = (json: unknown): ReadonlyMap<string, readonly ReportSummary[]> =>
  new Map(Object.entries(z.record(z.string(), z.array(summary)).parse(json)))

export class Reports {
  readonly #routes: Routes
  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** The sampling runs of a finished prompt. */
  async of(promptId: string): Promise<StoredReport[]> {
    return storedReports(await this.#routes.json('GET', `/heddle/reports/${encodeURIComponent(promptId)}`))
  }

  /** Summaries of the newest prompts that sampled, by prompt id. */
  async summaries(most = 64): Promise<ReadonlyMap<string, readonly ReportSummary[]>> {
    return reportSummaries(await this.#routes.json('GET', `/heddle/reports?max_items=${most}`))
  }
}
