/** Models as nodes see them: found by name, opened once, shared, and closed when others need the room. */
import { stat } from 'node:fs/promises'
import { openCheckpoint, openDiffusionModel } from '../../diffusion/families/checkpoint.ts'
import type { Checkpoint, DiffusionModel } from '../../diffusion/families/contract.ts'
import type { Models, Reporter } from '../../nodes/define.ts'
import { modelsIn } from '../store/model-folders.ts'

/** Models kept open at a time; weights are mapped from their files, so what this bounds is sessions. */
const KEPT = 3

/** An opened model: the values it puts on links, and how to close it. */
interface Opened<T> {
  readonly value: T
  readonly onLinks: readonly unknown[]
  release(): Promise<void>
}

async function openFolder(path: string): Promise<Opened<Checkpoint>> {
  if (!(await stat(path)).isDirectory())
    throw new Error(
      `${path} is a single file; checkpoints are folders in diffusers layout, with model_index.json at their top`,
    )
  const value = await openCheckpoint(path)
  return { value, onLinks: [value.model, value.clip, value.vae], release: () => value.release() }
}

async function openTransformer(path: string): Promise<Opened<DiffusionModel>> {
  const value = await openDiffusionModel(path)
  return { value, onLinks: [value], release: () => value.transformer.release() }
}

export class ModelStore implements Models {
  readonly #dirs: readonly string[]
  readonly #isOnLink: (value: unknown) => boolean
  /** By path and time of change, least recently asked for first. */
  readonly #open = new Map<string, Promise<Opened<unknown>>>()

  /** `isOnLink` tells whether a value is still held by a result: such a model must stay open. */
  constructor(dirs: readonly string[], isOnLink: (value: unknown) => boolean) {
    this.#dirs = dirs
    this.#isOnLink = isOnLink
  }

  checkpoint(name: string, _report: Reporter): Promise<Checkpoint> {
    return this.#get('checkpoints', name, openFolder)
  }

  diffusionModel(name: string, _report: Reporter): Promise<DiffusionModel> {
    return this.#get('diffusion_models', name, openTransformer)
  }

  /** Closes everything; results that hold models must be dropped with it. */
  async release(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(all.map(async (opening) => (await opening).release()))
  }

  async #get<T>(folder: string, name: string, open: (path: string) => Promise<Opened<T>>): Promise<T> {
    const models = modelsIn(this.#dirs, folder)
    const found = models.find((model) => model.name === name)
    if (!found) {
      const names = models.map((model) => model.name).join(', ')
      throw new Error(`there is no model '${name}' in ${folder}; there ${names === '' ? 'is none' : `are: ${names}`}`)
    }
    const key = `${folder} ${found.path} ${(await stat(found.path)).mtimeMs}`
    const opening = (this.#open.get(key) as Promise<Opened<T>> | undefined) ?? open(found.path)
    this.#open.delete(key)
    this.#open.set(key, opening)
    try {
      const { value } = await opening
      await this.#makeRoom(key)
      return value
    } catch (error) {
      this.#open.delete(key)
      throw error
    }
  }

  async #makeRoom(newest: string): Promise<void> {
    for (const [key, opening] of this.#open) {
      if (this.#open.size <= KEPT) return
      if (key === newest) continue
      const opened = await opening
      if (opened.onLinks.some(this.#isOnLink)) continue
      this.#open.delete(key)
      await opened.release()
    }
  }
}
