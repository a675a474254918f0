/** What takes the place of text encoders for DiT: a class by its number or one of its names. */
import { join } from 'node:path'
import { tensor } from '../../tensor.ts'
import type { Conditioning, TextEncoders } from '../contract.ts'
import { readJson } from '../json.ts'
import { parseDitConfig } from './config.ts'

/** ImageNet names a class 'tench, Tinca tinca': each of them, and all together, stand for it. */
function labelsByName(names: unknown): ReadonlyMap<string, number> {
  const known = new Map<string, number>()
  if (typeof names !== 'object' || names === null) return known
  for (const [label, name] of Object.entries(names))
    if (typeof name === 'string')
      for (const one of [name, ...name.split(',')]) {
        const key = one.trim().toLowerCase()
        if (!known.has(key)) known.set(key, Number(label))
      }
  return known
}

/** Labels in the form that the CLIP port carries. */
class DitLabels implements TextEncoders {
  readonly #classes: number
  readonly #names: ReadonlyMap<string, number>

  /** `names` is `id2label` of model_index.json. */
  constructor(classes: number, names: unknown) {
    this.#classes = classes
    this.#names = labelsByName(names)
  }

  /** The label as tokens [1, 1, 1]; an empty text is the null class. Throws when there is no such class. */
  encode(text: string): Promise<Conditioning> {
    const name = text.trim().toLowerCase()
    const label = name === '' ? this.#classes : /^\d+$/.test(name) ? Number(name) : this.#names.get(name)
    if (label === undefined || label > this.#classes)
      return Promise.reject(
        new Error(
          `'${text.trim().slice(0, 80)}' is no class of this model: it takes a number from 0 to ${this.#classes - 1}` +
            `${this.#names.size > 0 ? ', or a class by its name' : ''}, and an empty text for none`,
        ),
      )
    return Promise.resolve({ tokens: tensor(Float32Array.of(label), [1, 1, 1]), pooled: null, extras: {} })
  }

  release(): Promise<void> {
    return Promise.resolve()
  }
}

/** Reads the classes of a DiTPipeline folder. */
export async function openDitLabels(folder: string): Promise<DitLabels> {
  const file = join(folder, 'transformer', 'config.json')
  const { classes } = parseDitConfig(await readJson(file), file)
  return new DitLabels(classes, (await readJson(join(folder, 'model_index.json')))['id2label'])
}
