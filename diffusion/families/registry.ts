/** The model families: one folder with a family.ts each, and a parity.ts where its transformer can be compared with a reference. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Family } from './family.ts'
import { fileExists } from './json.ts'
import type { CaseReader } from './parity.ts'

const here = import.meta.dirname

/** Default exports of the files of this name in the folders beside this one. */
async function load<T>(file: string): Promise<readonly T[]> {
  const folders = (await readdir(here, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const loaded = await Promise.all(
    folders.map(async ({ name }): Promise<T[]> => {
      if (!(await fileExists(join(here, name, file)))) return []
      return [((await import(new URL(`${name}/${file}`, import.meta.url).href)) as { default: T }).default]
    }),
  )
  return loaded.flat()
}

/** Every family: the folders that have a family.ts. */
export const loadFamilies = (): Promise<readonly Family[]> => load<Family>('family.ts')

/** How reference cases of the families' transformers are read. */
export const loadCaseReaders = (): Promise<readonly CaseReader[]> => load<CaseReader>('parity.ts')
