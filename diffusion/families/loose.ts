/** Opens parts that lie in files of their own: autoencoders, and the text encoders of a family. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { openWeights, openWeightsFolder, type Weights } from '../onnx/weights.ts'
import type { TextEncoders } from './contract.ts'
import type { Family, Json, Releasable } from './family.ts'
import { readJsonIfAny } from './json.ts'
import { loadFamilies } from './registry.ts'
import { autoencoderPart } from './single-file.ts'
import { fillSlots, findEncoders, type PlacedEncoder, type TokenizerFolders } from './text/find.ts'
import type { OpenedAutoencoder } from './vae/kind.ts'
import { openAutoencoderWeights } from './vae/open.ts'

interface OpenedFile {
  readonly weights: Weights
  /** The config.json of a folder; of a file the one beside it, which may be another's. */
  readonly config: Json | null
  /** Where a tokenizer of its own may lie. */
  readonly beside: readonly string[]
}

/** A file, or a folder with config.json and weights. */
async function openPart(path: string): Promise<OpenedFile> {
  const isFolder = (await stat(path)).isDirectory()
  const folder = isFolder ? path : dirname(path)
  const own = path.replace(/\.\w+$/, '')
  return {
    weights: await (isFolder ? openWeightsFolder(path) : openWeights(path)),
    config: await readJsonIfAny(join(folder, 'config.json')),
    beside: isFolder ? [path, join(path, '../tokenizer')] : [own, folder],
  }
}

/**
 * Opens an autoencoder of whatever kind: its own file or folder, or the part of a whole checkpoint. Throws, naming the kinds, when it is none.
 */
export async function openLooseAutoencoder(path: string): Promise<OpenedAutoencoder> {
  const { weights, config } = await openPart(path)
  return openAutoencoderWeights(autoencoderPart(weights) ?? weights, config)
}

async function familyOfType(type: string): Promise<Family & Required<Pick<Family, 'text'>>> {
  const families = await loadFamilies()
  const readers = families.filter((one): one is Family & Required<Pick<Family, 'text'>> => one.text !== undefined)
  const family = readers.find(({ text }) => text.types.includes(type))
  if (family) return family
  const known = readers.flatMap(({ text }) => text.types).join(', ')
  throw new Error(`no family reads prompts as '${type}'; known types: ${known}`)
}

/**
 * Opens the text encoders of a family from files or folders in any order: which is which shows in their keys and widths. `type` is ComfyUI's word for
 * the family. Throws, naming the files, when one is missing, unknown or left over.
 */
export async function openLooseText(
  paths: readonly string[],
  type: string,
  tokenizers: TokenizerFolders,
): Promise<TextEncoders & Releasable> {
  const { text } = await familyOfType(type)
  const placed: PlacedEncoder[] = []
  for (const path of paths) {
    const { weights, config, beside } = await openPart(path)
    const found = await findEncoders(weights)
    if (found.length === 0) {
      const keys = [...weights.tensors.keys()].slice(0, 3).join(', ')
      throw new Error(`${path}: no known text encoder (${weights.tensors.size} tensors: ${keys}, ...)`)
    }
    placed.push(...found.map((one) => ({ found: one, beside, config })))
  }
  const where = paths.map((path) => basename(path)).join(', ')
  return text.open(fillSlots(text, placed, tokenizers, where), { folder: null })
}
