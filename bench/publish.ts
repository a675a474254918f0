/** Writes a result of the cache bench into the README and docs/: tables between marks, and the plots. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fill } from './fill.ts'
import { ROOT } from './options.ts'
import { duelTable, longTable, shortfalls, shortTable } from './report/markdown.ts'
import { batchText, plotsOf, sourceOf, type Result } from './result.ts'
import type { Row } from './summary.ts'

const PAGE = 'docs/caching-bench.md'
const PLOTS = 'docs/caching-bench'

/** Of a method's settings, the most faithful that promises at least this speed-up; the fastest where none does. */
const WORTHWHILE = 2

function bestOf(rows: readonly Row[]): Row {
  const fast = rows.filter(({ promised }) => promised >= WORTHWHILE)
  if (fast.length === 0) return rows.reduce((best, row) => (row.promised > best.promised ? row : best))
  return fast.reduce((best, row) => (row.psnr > best.psnr ? row : best))
}

const groupOf = ({ method, group }: Row): string => `${method} ${group ?? ''}`

/** One row per method, or group of its settings, for the README, the most faithful first, then its rivals. */
function chosen(rows: readonly Row[]): readonly Row[] {
  const best = (role: Row['role']) => {
    const own = rows.filter((row) => row.role === role)
    return [...new Set(own.map(groupOf))]
      .map((group) => bestOf(own.filter((row) => groupOf(row) === group)))
      .sort((a, b) => b.psnr - a.psnr)
  }
  return [...best('method'), ...best('mask'), ...best('fewer')]
}

const HOW_TO_READ =
  '*Blocks*, *FLOPs*: share of the uncached run that is computed, counted around the model. *Promised*: what the FLOPs say; ' +
  '*SpeedUp*: what the clock says (median and quartiles); *overhead*: promised over measured. PSNR, SSIM and latent L1 compare with the ' +
  'uncached run of the same noise, *to converged* is the distance (relative L2) to the solution with many more steps. Of each ' +
  `method the most faithful setting that promises ${WORTHWHILE}x, or the fastest where none does; all settings and curves: [${PAGE}](${PAGE}).`

/** A list of sentences, or the one that says that there are none. */
const orElse = (sentences: readonly string[], otherwise: string): string =>
  sentences.length > 0 ? sentences.map((sentence) => `- ${sentence}`).join('\n') : otherwise

/** `result` must come from a full run; a quick one is refused, since nobody should quote it. */
export async function publish(result: Result, root = ROOT): Promise<void> {
  if (result.command.includes('--quick')) throw new Error('bench: a --quick result is not for publishing')
  const source = `${sourceOf(result)}.`
  await mkdir(join(root, 'docs'), { recursive: true })
  for (const [ending, plot] of Object.entries(plotsOf(result)))
    await writeFile(join(root, `${PLOTS}${ending}.svg`), plot)
  await fill(root, 'README.md', 'cache', `${shortTable(chosen(result.rows))}\n\n${HOW_TO_READ}\n\n${source}`)
  await fill(root, 'docs/dicache.md', 'all', `${shortTable(result.rows.filter(isDiCacheOrRival))}\n\n${source}`)
  await fill(root, PAGE, 'settings', `${longTable(result.rows)}\n\n${source}`)
  const unmatched = result.unmatched.map((config) => `${config}: no fixed mask here computes as little, or as much.`)
  await fill(root, PAGE, 'masks', [duelTable(result.duels), ...unmatched].join('\n\n'))
  await fill(
    root,
    PAGE,
    'overhead',
    orElse(shortfalls(result.rows), 'Every setting kept at least 95 % of what its counted work promises.'),
  )
  await fill(root, PAGE, 'batch', result.batch ? batchText(result.batch) : 'Not measured.')
}

const isDiCacheOrRival = ({ method }: Row): boolean => method === 'DiCache' || method === 'FewerSteps euler'
