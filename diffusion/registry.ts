/** Reads a folder as a registry: every file's default export, by the name it gives itself. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Sampler, Schedule } from './sampling-types.ts'

/** Default exports of the `.ts` files of `folder`, in order of file name; throws when two claim one name. */
async function readRegistry<T extends { readonly name: string }>(folder: string): Promise<ReadonlyMap<string, T>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort()
  const entries = new Map<string, T>()
  for (const file of files) {
    const path = join(folder, file)
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: T }
    if (!module.default) throw new Error(`${path}: expected a default export, found none`)
    if (entries.has(module.default.name)) throw new Error(`${path}: '${module.default.name}' is already registered`)
    entries.set(module.default.name, module.default)
  }
  return entries
}

/** Noise schedules by ComfyUI's name: one file each in `schedules/`. */
export const schedules = await readRegistry<Schedule>(join(import.meta.dirname, 'schedules'))

/** Samplers by ComfyUI's name: one file each in `samplers/`. */
export const samplers = await readRegistry<Sampler>(join(import.meta.dirname, 'samplers'))
