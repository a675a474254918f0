/** Models as nodes see them: found by name, opened once, shared, and closed when others need the room. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint, openDiffusionModel } from '../../diffusion/families/checkpoint.ts'
import type {
  Autoencoder,
  Checkpoint,
  DiffusionModel,
  TextEncoders,
  VisionEncoder,
} from '../../diffusion/families/contract.ts'
import type { Releasable } from '../../diffusion/families/family.ts'
import { openLooseAutoencoder, openLooseText } from '../../diffusion/families/loose.ts'
import { openTaesd } from '../../diffusion/families/vae/taesd.ts'
import { openLora, type Lora } from '../../diffusion/families/lora/read.ts'
import type { TokenizerFolders } from '../../diffusion/families/text/find.ts'
import { openVisionEncoder } from '../../diffusion/families/vision/encoder.ts'
import type { Models, Reporter } from '../../nodes/define.ts'
import { modelsIn, taesdFiles, type ModelDir } from '../store/model-folders.ts'
import { sketched } from './taesd.ts'

/** Models kept open at a time; weights are mapped from their files, so what this bounds is sessions. */
const KEPT = 3

/** An opened model: the values it puts on links, and how to close it. */
interface Opened<T> {
  readonly value: T
  readonly onLinks: readonly unknown[]
  release(): Promise<void>
}

/** A value that is closed as a whole. */
const closing = <T extends Releasable>(value: T): Opened<T> => ({
  value,
  onLinks: [value],
  release: () => value.release(),
})

async function openTransformer(path: string, dirs: readonly ModelDir[]): Promise<Opened<DiffusionModel>> {
  const drawn = sketched(await openDiffusionModel(path), dirs)
  const value = drawn.model
  return {
    ...{ value, onLinks: [value] },
    async release() {
      await value.transformer.release()
      await drawn.release()
    },
  }
}

/** Folder of tokenizers that loose text encoders share, in every model folder. */
const TOKENIZERS = 'tokenizers'

export class ModelStore implements Models {
  readonly #dirs: readonly ModelDir[]
  readonly #isOnLink: (value: unknown) => boolean
  /** By path and time of change, least recently asked for first. */
  readonly #open = new Map<string, Promise<Opened<unknown>>>()
  readonly #tokenizers: TokenizerFolders
  #adopted = 0

  /** `isOnLink` tells whether a value is still held by a result: such a model must stay open. */
  constructor(dirs: readonly ModelDir[], isOnLink: (value: unknown) => boolean) {
    this.#dirs = dirs
    const roots = dirs.filter((dir) => typeof dir === 'string')
    this.#tokenizers = { of: (kind) => roots.map((dir) => join(dir, TOKENIZERS, kind)) }
    this.#isOnLink = isOnLink
  }

  checkpoint(name: string, report: Reporter): Promise<Checkpoint> {
    return this.#get('checkpoints', [name], async ([path]) => {
      const opened = await openCheckpoint(path, this.#tokenizers, (done, parts) => report.progress(done, parts))
      const drawn = sketched(opened.model, this.#dirs)
      const { model } = drawn
      const value: Checkpoint = { model, clip: opened.clip, vae: opened.vae }
      return {
        ...{ value, onLinks: [model, value.clip, value.vae] },
        async release() {
          await opened.release()
          await drawn.release()
        },
      }
    })
  }

  diffusionModel(name: string, _report: Reporter): Promise<DiffusionModel> {
    return this.#get('diffusion_models', [name], ([path]) => openTransformer(path, this.#dirs))
  }

  autoencoder(name: string, _report: Reporter): Promise<Autoencoder> {
    const small = taesdFiles(this.#dirs, name).map((file) => file.name)
    if (small.length > 0) return this.#get('vae_approx', small, async (paths) => closing(await openTaesd(paths)))
    return this.#get('vae', [name], async ([path]) => closing(await openLooseAutoencoder(path)))
  }

  textEncoders(names: readonly string[], type: string, _report: Reporter): Promise<TextEncoders> {
    const open = async (paths: readonly string[]) => closing(await openLooseText(paths, type, this.#tokenizers))
    return this.#get('text_encoders', names, open, type)
  }

  visionEncoder(name: string, _report: Reporter): Promise<VisionEncoder> {
    return this.#get('clip_vision', [name], async ([path]) => closing(await openVisionEncoder(path)))
  }

  /** Read anew each time: nothing of it stays open. */
  async lora(name: string): Promise<Lora> {
    return openLora(this.#pathOf('loras', name))
  }

  adopt(value: object, release: () => Promise<void>): void {
    this.#open.set(`adopted ${this.#adopted++}`, Promise.resolve({ value, onLinks: [value], release }))
  }

  /** Closes everything; results that hold models must be dropped with it. */
  async release(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(all.map(async (opening) => (await opening).release()))
  }

  #pathOf(folder: string, name: string): string {
    const models = modelsIn(this.#dirs, folder)
    const found = models.find((model) => model.name === name)
    if (found) return found.path
    const names = models.map((model) => model.name).join(', ')
    throw new Error(`there is no model '${name}' in ${folder}; there ${names === '' ? 'is none' : `are: ${names}`}`)
  }

  /** `as` tells apart what the same files are opened as. */
  async #get<T, const N extends readonly string[]>(
    folder: string,
    names: N,
    open: (paths: { readonly [K in keyof N]: string }) => Promise<Opened<T>>,
    as = '',
  ): Promise<T> {
    const paths = names.map((name) => this.#pathOf(folder, name)) as { readonly [K in keyof N]: string }
    const times = await Promise.all(paths.map(async (path) => (await stat(path)).mtimeMs))
    const key = [folder, as, ...paths, ...times].join(' ')
    const opening = (this.#open.get(key) as Promise<Opened<T>> | undefined) ?? open(paths)
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
