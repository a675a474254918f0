/** What this folder holds: families (a folder with a family.ts each, and a parity.ts where there is a reference), autoencoders, text encoders. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Family } from './family.ts'
import type { EncoderKind } from './text/kind.ts'
import type { AutoencoderKind } from './vae/kind.ts'
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

/** Default exports of all files in a folder, by file name. */
async function loadAll<T>(folder: string): Promise<readonly T[]> {
  const files = (await readdir(join(here, folder))).filter((name) => name.endsWith('.ts')).sort()
  const modules = files.map(
    (name) => import(new URL(`${folder}/${name}`, import.meta.url).href) as Promise<{ default: T }>,
  )
  return (await Promise.all(modules)).map((module) => module.default)
}

/** Every kind of autoencoder: the files in vae/kinds/. */
export const loadAutoencoderKinds = (): Promise<readonly AutoencoderKind[]> => loadAll<AutoencoderKind>('vae/kinds')

/** Every kind of text encoder: the files in text/kinds/. */
export const loadEncoderKinds = (): Promise<readonly EncoderKind[]> => loadAll<EncoderKind>('text/kinds')
