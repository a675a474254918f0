/** The report of one sampling run from its rows, with what the user should know about it. */
import type { CacheReport, ReportRow, SamplingPlan } from './report-types.ts'

/** Below this many evaluations neighbouring steps differ too much for any reuse to be honest. */
const FEW_EVALUATIONS = 10

const reused = ({ decision }: ReportRow): boolean => decision === 'skipped' || decision === 'partial'

function warningsFor(method: string, evaluations: number, rows: readonly ReportRow[]): string[] {
  const free = rows.filter((row) => row.forced === undefined)
  // A method that is switched off answers everything in full without being forced to.
  if (rows.length === free.length && rows.every(({ decision }) => decision === 'full')) return []
  const warnings: string[] = []
  if (evaluations < FEW_EVALUATIONS)
    warnings.push(`only ${evaluations} model evaluations: below ${FEW_EVALUATIONS} a cache saves little and costs much`)
  if (!rows.some(reused))
    warnings.push(`${method} is on but skipped nothing: raise its threshold, or shorten its warm-up or window`)
  else if (free.length > 1 && free.every(reused))
    warnings.push(
      `${method} skipped every evaluation it was free to: the picture coasts on old results; lower its threshold`,
    )
  return warnings
}

/** What is known of a run besides its plan and its rows. */
export type RunTotals = Pick<CacheReport, 'seconds' | 'totalFlops'> & Partial<Pick<CacheReport, 'totalBlocks'>>

/**
 * `rows` in order of evaluation, sample, branch; a plain run has nothing to warn of. A method's own `cautions` come before what
 * the rows give away.
 */
export function buildReport(
  plan: SamplingPlan,
  spent: RunTotals,
  rows: readonly ReportRow[],
  cautions: readonly string[] = [],
): CacheReport {
  return {
    ...plan,
    ...spent,
    rows,
    computedBlocks: rows.reduce((sum, row) => sum + row.blocks, 0),
    totalBlocks: spent.totalBlocks ?? plan.evaluations * plan.samples * plan.branches.length * plan.depth,
    computedFlops: rows.reduce((sum, row) => sum + row.flops, 0),
    warnings: plan.method === null ? [] : [...cautions, ...warningsFor(plan.method, plan.evaluations, rows)],
  }
}
