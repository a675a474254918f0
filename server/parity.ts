/** The parity checks of the whole program: what `diffusion/check` knows, and the published loops of the caching nodes. */
import { readdir } from 'node:fs/promises'
import { checkCase } from '../diffusion/check/index.ts'
import { cacheLoopChecker, type PublishedLoop } from '../diffusion/check/shared/cache-loop.ts'
import type { CheckResult } from '../diffusion/check/shared/contract.ts'

const LOOPS = new URL('../nodes/caching/loops/', import.meta.url)

/** The default exports of every file of nodes/caching/loops. */
async function publishedLoops(): Promise<readonly PublishedLoop[]> {
  const files = (await readdir(LOOPS)).filter((name) => name.endsWith('.ts')).sort()
  const modules = await Promise.all(
    files.map((name) => import(new URL(name, LOOPS).href) as Promise<{ default: PublishedLoop }>),
  )
  return modules.map((module) => module.default)
}

/** Checks one case folder of any kind; never throws for a bad one. `unsupported` results count neither way. */
export const checkFolder = async (dir: string): Promise<readonly CheckResult[]> =>
  checkCase(dir, [cacheLoopChecker(await publishedLoops())])
