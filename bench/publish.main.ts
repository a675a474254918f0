/** `heddle bench publish`: writes the tables of the README and of docs/dicache.md from the last result of `heddle bench cache`. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { markdown } from './summary.ts'

const root = join(import.meta.dirname, '..')
const RESULT = 'bench/results/cache.json'

const resultSchema = z.object({
  command: z.string(),
  commit: z.string(),
  machine: z.string(),
  steps: z.int(),
  guidance: z.number(),
  captions: z.int(),
  rows: z.array(
    z.object({
      setting: z.string(),
      captions: z.int(),
      cut: z.number(),
      speedUp: z.number(),
      kept: z.number(),
      psnrMean: z.number(),
      psnrWorst: z.number(),
      ssimMean: z.number(),
    }),
  ),
})

/** Puts `text` between the two marks of `name` in a Markdown file; throws when they are not there. */
async function fill(path: string, name: string, text: string): Promise<void> {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const before = await readFile(join(root, path), 'utf8')
  const [start, end] = [before.indexOf(open), before.indexOf(close)]
  if (start < 0 || end < start) throw new Error(`${path}: expected ${open} and ${close} in this order`)
  await writeFile(join(root, path), `${before.slice(0, start + open.length)}\n${text}\n${before.slice(end)}`)
}

/** Rows for the README: the settings on no other's lower left, where less cut and less PSNR is worse. */
function pareto<Row extends { readonly cut: number; readonly psnrMean: number }>(rows: readonly Row[]): readonly Row[] {
  return rows
    .filter((row) => !rows.some((other) => other !== row && other.cut >= row.cut && other.psnrMean >= row.psnrMean))
    .sort((a, b) => a.cut - b.cut)
}

const result = resultSchema.parse(JSON.parse(await readFile(join(root, RESULT), 'utf8')))
const source =
  `${result.captions} unseen captions, ${result.steps} Euler steps, guidance ${result.guidance}, same seeds; ` +
  `${result.machine}; commit ${result.commit}; \`${result.command}\``
const fewer = result.rows.filter((row) => row.setting.endsWith('no cache'))
const cached = result.rows.filter((row) => !fewer.includes(row))
await fill('README.md', 'cache', `${markdown([...pareto(cached), ...fewer])}\n\n${source}.`)
await fill('docs/dicache.md', 'all', `${markdown(result.rows)}\n\n${source}.`)
