/** The model families: one folder with a family.ts each. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Family } from './family.ts'
import { fileExists } from './json.ts'

const here = import.meta.dirname

/** Every folder beside this file that has a family.ts, by name. */
export async function loadFamilies(): Promise<readonly Family[]> {
  const folders = (await readdir(here, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const families = await Promise.all(
    folders.map(async ({ name }): Promise<Family[]> => {
      const exists = await fileExists(join(here, name, 'family.ts'))
      const file = new URL(`${name}/family.ts`, import.meta.url).href
      return exists ? [((await import(file)) as { default: Family }).default] : []
    }),
  )
  return families.flat()
}
