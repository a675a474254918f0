/** heddle check: runs parity cases and prints the largest difference of each. */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { CheckResult } from '../../diffusion/check/shared/contract.ts'
import { checkFolder } from '../parity.ts'
import { checkConversions } from '../workflow/check.ts'

/** A case holds its numbers itself; a folder of cases holds folders only, and perhaps workflow files. */
async function casesIn(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path]
  const entries = await readdir(path, { withFileTypes: true })
  const conversions = entries.filter((entry) => /^workflow-to-prompt.*\.json$/.test(entry.name)).map(({ name }) => name)
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
  const own = entries.filter((entry) => entry.isFile() && /\.(safetensors|json|jsonl|npz|npy|bin)$/.test(entry.name))
  const held = [...folders, ...conversions].sort()
  if (own.length > conversions.length || held.length === 0) return [path]
  return held.map((name) => join(path, name))
}

const runCase = (path: string): Promise<readonly CheckResult[]> =>
  path.endsWith('.json') ? checkConversions(path) : checkFolder(path)

const number = (value: number): string => (Number.isFinite(value) ? value.toExponential(2) : '-')

/** A case that asks for what this program does not have is listed, and is neither passed nor failed. */
const verdict = (result: CheckResult): string => (result.unsupported ? '-   ' : result.pass ? 'ok  ' : 'FAIL')

function print(result: CheckResult, verbose: boolean): void {
  const columns = [
    verdict(result),
    number(result.maxAbs).padStart(9),
    number(result.bar).padStart(9),
    result.kind.padEnd(12),
    result.name,
  ]
  process.stdout.write(`${columns.join('  ')}\n`)
  if (verbose || !result.pass) for (const line of result.details) process.stdout.write(`      ${line}\n`)
}

/** Checks every case; returns the exit code, 1 if one is above its bar. */
export async function check(dirs: readonly string[], verbose: boolean): Promise<number> {
  const missing = dirs.filter((dir) => !existsSync(dir))
  if (missing.length > 0) throw new Error(`These do not exist: ${missing.join(', ')}`)
  process.stdout.write('      largest        bar  kind          case\n')
  let [passed, failed, unsupported] = [0, 0, 0]
  for (const dir of dirs)
    for (const path of await casesIn(dir)) {
      const results = await runCase(path)
      if (results.length === 0) throw new Error(`${basename(path)}: nothing was compared`)
      for (const result of results) {
        print(result, verbose)
        if (result.unsupported) unsupported++
        else if (result.pass) passed++
        else failed++
      }
    }
  process.stdout.write(`${passed} passed, ${failed} failed${unsupported > 0 ? `, ${unsupported} unsupported` : ''}\n`)
  return failed === 0 ? 0 : 1
}
