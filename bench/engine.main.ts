/** `heddle bench engine`: how long the engine and the server take around the nodes, on graphs of nodes that do nothing. */
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { CASES, type Case } from './engine/cases.ts'
import { processorTime } from './engine/cpu.ts'
import { Load, startServer } from './engine/load.ts'
import { ENGINE_RESULT, engineTable, type EngineResult } from './engine/result.ts'
import { ROOT } from './options.ts'
import { commitOf, machineOf } from './result.ts'

const options = new Command('heddle bench engine')
  .option('--runs <number>', 'runs of each case', Number, 15)
  .option('--quick', 'few runs, nothing written')
  .option('--url <address>', 'measure a server that runs already, which has the nodes of bench/engine/pack')
  .parse()
  .opts<{ runs: number; quick?: boolean; url?: string }>()

const runs = options.quick ? 3 : options.runs
const load = loadavg()[0] ?? 0
const server = options.url === undefined ? await startServer() : null
const client = await Load.connect(server?.url ?? options.url ?? '')

async function measured(one: Case): Promise<EngineResult['rows'][number]> {
  const { measure: _, ...about } = one
  const values = [...(await one.measure(client, runs))].sort((a, b) => a - b)
  const median = values[values.length >> 1] ?? NaN
  const best = (about.unit === 'prompts/s' ? values.at(-1) : values[0]) ?? NaN
  process.stderr.write(`${about.name}: median ${median.toFixed(1)}, best ${best.toFixed(1)} ${about.unit}\n`)
  return { ...about, median, best, runs: values.length }
}

try {
  // Everything has run once before the first measure.
  const [first] = CASES
  for (const _ of [1, 2, 3]) await first?.measure(client, 20)
  const rows: EngineResult['rows'] = []
  for (const one of CASES) rows.push(await measured(one))
  const spent = server === null ? null : await processorTime(client, server)
  if (spent !== null) process.stderr.write(`${spent}\n`)
  const result: EngineResult = {
    command: `npx heddle bench engine${options.quick ? ' --quick' : options.runs === 15 ? '' : ` --runs ${options.runs}`}`,
    machine: machineOf(),
    versions: `Node ${process.versions.node}`,
    commit: commitOf(ROOT),
    date: new Date().toISOString().slice(0, 10),
    load,
    rows,
  }
  process.stdout.write(`${engineTable(result)}\n`)
  if (!options.quick && options.url === undefined)
    await writeFile(join(ROOT, ENGINE_RESULT), `${JSON.stringify(result, null, 2)}\n`)
} finally {
  client.close()
  await server?.stop()
}
