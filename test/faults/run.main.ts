/**
 * Plants faults one at a time in a copy of the sources and shows that the tests notice every one.
 *
 *   npx tsx test/faults/run.main.ts [method...]
 *
 * The faults of a method stand in <method>.json beside this file: where, what text, what instead, which rule that breaks, and
 * which test files must fail. The working tree is never touched. Each fault is one vitest process over its tests, ended at the
 * first failure; tests over all methods are told by METHOD to try this one alone. A fault counts as caught only when a test
 * failed: one that keeps the file from loading proves nothing and is reported as broken, one that never ends as undecided, and a
 * list whose tests fail without any fault shows nothing. Exit code 1 unless every fault was caught.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { misfit, planted, readFaults, type Fault, type FaultList } from './faults.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A fault may make a test wait for ever; what has not ended by then has decided nothing. */
const LIMIT_MS = 600_000

/** Folders that tests read but no fault changes: linked, not copied. */
const LINKED = ['node_modules', 'models', 'test/fixtures/parity', 'workflows/input', 'client/dist']

/** A copy of everything that is or could be committed. */
function copySources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'heddle-faults-'))
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  const files = listed.toString().split('\n')
  const copied = files.filter(
    (file) => /\.(ts|mjs|json)$/.test(file) && !LINKED.some((folder) => file.startsWith(folder)),
  )
  for (const file of copied.filter((name) => existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(ROOT, file), join(copy, file))
  }
  for (const folder of LINKED) {
    mkdirSync(dirname(join(copy, folder)), { recursive: true })
    symlinkSync(join(ROOT, folder), join(copy, folder))
  }
  return copy
}

type Verdict = 'passed' | 'failed' | 'broken' | 'hung'

/** Runs test files in the copy; 'failed' when an assertion or a test did, 'broken' when a file could not even be loaded. */
function runTests(copy: string, method: string, tests: readonly string[]): Promise<Verdict> {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const options = ['--bail=1', '--reporter=json', `--outputFile=${report}`, '--maxWorkers=1', '--no-cache']
  const child = spawn(process.execPath, [vitest, 'run', ...tests, ...options], {
    cwd: copy,
    stdio: 'ignore',
    env: { ...process.env, METHOD: method },
  })
  return new Promise((resolve, reject) => {
    let hung = false
    const timer = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, LIMIT_MS)
    child.on('error', reject)
    child.on('exit', (code) => {
      clearTimeout(timer)
      if (hung) resolve('hung')
      else if (code === 0) resolve('passed')
      else resolve(failedTests(report) > 0 ? 'failed' : 'broken')
    })
  })
}

function failedTests(report: string): number {
  if (!existsSync(report)) return 0
  return (JSON.parse(readFileSync(report, 'utf8')) as { readonly numFailedTests: number }).numFailedTests
}

const OUTCOME: Readonly<Record<Verdict, string>> = {
  passed: 'SURVIVED',
  failed: 'caught',
  hung: 'UNDECIDED (does not end)',
  broken: 'BROKEN (does not load)',
}

/** Plants one fault, runs its tests, restores the file. */
async function tryFault(copy: string, method: string, fault: Fault): Promise<string> {
  const why = misfit(fault, copy)
  if (why !== null) return `BROKEN (${why})`
  const path = join(copy, fault.file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(path, planted(source, fault))
  try {
    return OUTCOME[await runTests(copy, method, fault.tests)]
  } finally {
    writeFileSync(path, source)
  }
}

/** Prints a line per fault; gives how many were not caught. */
async function tryList(copy: string, { method, faults }: FaultList): Promise<number> {
  const sound = await runTests(copy, method, [...new Set(faults.flatMap(({ tests }) => tests))])
  if (sound !== 'passed') {
    console.log(`${method}: its tests do not pass without a fault (${sound}), so they show nothing`)
    return faults.length
  }
  let missed = 0
  for (const fault of faults) {
    const outcome = await tryFault(copy, method, fault)
    if (!outcome.startsWith('caught')) missed++
    console.log(`${method.padEnd(20)} ${outcome.padEnd(14)} ${fault.rule}`)
  }
  return missed
}

const lists = readFaults(process.argv.slice(2))
const copy = copySources()
try {
  let missed = 0
  for (const list of lists) missed += await tryList(copy, list)
  const total = lists.reduce((sum, { faults }) => sum + faults.length, 0)
  console.log(`${total - missed} of ${total} faults caught`)
  process.exitCode = missed === 0 ? 0 : 1
} finally {
  rmSync(copy, { recursive: true, force: true })
}
