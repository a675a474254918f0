/** Writes docs/forecast.md's tables: from the result of the whole bench and from those of further steps and shifts, bench/results/forecast-*.json. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fill } from './fill.ts'
import { contestTable, shortTable } from './report/markdown.ts'
import { readResult, sourceOf, type Result } from './result.ts'
import type { Row } from './summary.ts'

const PAGE = 'docs/forecast.md'
const RESULTS = 'bench/results'
/** Methods whose rows the page shows beside the plain samplers'. */
const SHOWN: ReadonlySet<string> = new Set(['Uncached', 'ForecastCache', 'StepMask', 'DiCache'])

const isShown = ({ method, role }: Row): boolean => SHOWN.has(method) || role === 'fewer'

const headingOf = ({ steps, shift, guidance }: Result): string =>
  `### ${steps} steps${typeof shift === 'number' ? `, shift ${shift}` : ''}, guidance ${guidance}`

const sectionOf = (result: Result): string =>
  [
    headingOf(result),
    contestTable(result.contests),
    shortTable(result.rows.filter(isShown)),
    `${sourceOf(result)}.`,
  ].join('\n\n')

/** Results of this bench below `root` in which ForecastCache met its rivals, by steps and shift; quick ones are left out. */
async function resultsOf(root: string): Promise<readonly Result[]> {
  const files = (await readdir(join(root, RESULTS))).filter((file) => /^(cache|forecast-.*)\.json$/.test(file))
  const all = await Promise.all(files.map((file) => readResult(join(root, RESULTS, file))))
  return all
    .filter(({ contests, command }) => contests.length > 0 && !command.includes('--quick'))
    .sort((a, b) => a.steps - b.steps || (a.shift ?? 0) - (b.shift ?? 0))
}

/** Leaves the page as it is where there is no result. Throws for a page without its marks. */
export async function publishForecast(root: string): Promise<void> {
  const results = await resultsOf(root)
  if (results.length > 0) await fill(root, PAGE, 'forecast', results.map(sectionOf).join('\n\n'))
}
