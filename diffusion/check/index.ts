/** Runs the parity cases of a folder with the checker that knows them; every other file in this folder is one checker. */
import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Checker, CheckResult } from './shared/contract.ts'

/** Every checker: the default exports of the files beside this one, by file name. */
async function loadCheckers(): Promise<readonly Checker[]> {
  const files = (await readdir(import.meta.dirname))
    .filter((name) => name.endsWith('.ts') && name !== 'index.ts')
    .sort()
  const modules = await Promise.all(
    files.map((name) => import(new URL(name, import.meta.url).href) as Promise<{ default: Checker }>),
  )
  return modules.map((module) => module.default)
}

/**
 * Checks one case folder; `more` are checkers of what lives above this folder, asked first. A case that no checker knows, or
 * that throws, is a failed result that says why: a list of folders is always answered in full.
 */
export async function checkCase(dir: string, more: readonly Checker[] = []): Promise<readonly CheckResult[]> {
  const failed = (kind: string, why: string): CheckResult[] => [
    { name: basename(dir), kind, maxAbs: NaN, bar: 0, pass: false, details: [why] },
  ]
  const checkers = [...more, ...(await loadCheckers())]
  for (const checker of checkers) {
    try {
      if (await checker.matches(dir)) return await checker.check(dir)
    } catch (error) {
      return failed(checker.kind, error instanceof Error ? error.message : String(error))
    }
  }
  return failed('unknown', `no checker knows ${dir}; known kinds: ${checkers.map((c) => c.kind).join(', ')}`)
}
