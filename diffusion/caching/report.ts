/** The report of one sampling run from its rows, with what the user should know about it. */
import type { CacheConfiguration } from './contract.ts'
import type { CacheReport, ReportRow } from './report-types.ts'

/** Below this many evaluations neighbouring steps differ too much for any reuse to be honest. */
const FEW_EVALUATIONS = 10

/** What is known of a run besides its rows. */
export type ReportFacts = Pick<CacheReport, 'family' | 'depth' | 'evaluations' | 'samples' | 'branches' | 'seconds'>

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

/** `rows` in order of evaluation, sample, branch; `cache` is null for a plain run, which has nothing to warn of. */
export function buildReport(
  cache: CacheConfiguration | null,
  facts: ReportFacts,
  rows: readonly ReportRow[],
): CacheReport {
  return {
    ...facts,
    method: cache?.method ?? null,
    params: cache?.params ?? {},
    rows,
    computedBlocks: rows.reduce((sum, row) => sum + row.blocks, 0),
    totalBlocks: facts.evaluations * facts.samples * facts.branches.length * facts.depth,
    warnings: cache ? warningsFor(cache.method, facts.evaluations, rows) : [],
  }
}
