/** Reports of finished prompts, as the server keeps them beside its history. */
import type { WeaveRun } from '../model/weave.ts'
import { z } from '../model/zod.ts'
import { reportRow, samplingEnd, samplingPlan } from './events.ts'
import { getJson } from './http.ts'

/** One sampling run of a finished prompt. */
export interface StoredReport {
  readonly node: string
  readonly run: WeaveRun
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

/** The sampling runs of a finished prompt. */
export const readReports = async (promptId: string): Promise<StoredReport[]> =>
  storedReports(await getJson(`/heddle/reports/${encodeURIComponent(promptId)}`))

/** Summaries of the newest prompts that sampled, by prompt id. */
export const readSummaries = async (most = 64): Promise<ReadonlyMap<string, readonly ReportSummary[]>> =>
  reportSummaries(await getJson(`/heddle/reports?max_items=${most}`))
