/** Opens the tokenizer of a text encoder, from the first place that has its files in one of their three forms. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readBytes, type StoredTensor } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { fileExists, readJson, readJsonIfAny } from '../json.ts'
import { byteTokenizerJson } from './byte-tokenizer.ts'
import { CLIP_START, clipTokenizerJson } from './clip-tokenizer.ts'
import { sentencePieceJson } from './sentencepiece.ts'
import { TextTokenizer } from './text-tokenizer.ts'

export type { TextTokenizer }

export interface TokenizerPlaces {
  /** Folders that are looked into, in this order; the first with a tokenizer's files counts. */
  readonly folders: readonly string[]
  /** A SentencePiece model inside the weights (`spiece_model`), which comes before the folders; or null. */
  readonly embedded: StoredTensor | null
  /** What to do when none is found, for the error: which file to put where. */
  readonly advice: string | null
}

/** Configurations without a limit say 10^30. */
const LONGEST_LIMIT = 4096
/** Largest SentencePiece model accepted, in bytes; UMT5's has 4.5 MB. */
const SPIECE_LIMIT = 64 * 1024 * 1024
const SPIECE = 'spiece.model'
const FORMS = 'tokenizer.json, vocab.json with merges.txt, or spiece.model'
/** What SentencePiece models pad with, where no configuration says it. */
const SPIECE_CONFIG = { pad_token: '<pad>' }

interface Definition {
  readonly json: Json
  /** Stands in for a missing tokenizer_config.json. */
  readonly config: Json
}

const fromSpiece = (bytes: Uint8Array): Definition => ({ json: sentencePieceJson(bytes), config: SPIECE_CONFIG })

/** CLIP's by the word that its texts begin with, else Qwen's. */
const mergedJson = async (folder: string, vocab: Json, merges: string): Promise<Json> =>
  CLIP_START in vocab
    ? clipTokenizerJson(vocab, merges)
    : byteTokenizerJson(vocab, merges, await readJsonIfAny(join(folder, 'tokenizer_config.json')))

/** The definition in `folder`, or null when it has none. */
async function readDefinition(folder: string): Promise<Definition | null> {
  const whole = await readJsonIfAny(join(folder, 'tokenizer.json'))
  if (whole) return { json: whole, config: {} }
  const [merges, vocab, spiece] = ['merges.txt', 'vocab.json', SPIECE].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  if ((await fileExists(merges)) && (await fileExists(vocab)))
    return { json: await mergedJson(folder, await readJson(vocab), await readFile(merges, 'utf8')), config: {} }
  return (await fileExists(spiece)) ? fromSpiece(await readFile(spiece)) : null
}

/** What a tokenizer is opened with beside its files. */
export interface TokenizerOptions {
  /** Most ids of a text: bounds `model_max_length`, or stands in for it. */
  readonly limit: number
  /** Stands in warnings. */
  readonly name: string
  /** What texts are padded with where no tokenizer_config.json says it. */
  readonly pad?: string
}

function make({ json, config }: Definition, where: string, told: Json | null, options: TokenizerOptions) {
  const settings = told ?? { ...(options.pad === undefined ? {} : { pad_token: options.pad }), ...config }
  const announced = Number(settings['model_max_length'] ?? options.limit)
  const isLimit = announced > 0 && announced <= LONGEST_LIMIT
  try {
    return new TextTokenizer(json, settings, isLimit ? Math.min(announced, options.limit) : options.limit, options.name)
  } catch (error) {
    throw new Error(`${where}: not a tokenizer that can be read (${(error as Error).message})`)
  }
}

/** Opens the first tokenizer there is; throws, naming the folders and what to put where, when there is none. */
export async function openTokenizerAt(places: TokenizerPlaces, options: TokenizerOptions): Promise<TextTokenizer> {
  const { embedded, folders, advice } = places
  if (embedded) {
    const where = `${embedded.file}, tensor '${embedded.name}'`
    if (embedded.length > SPIECE_LIMIT)
      throw new Error(`${where}: ${embedded.length} bytes are too many for a tokenizer`)
    return make(asDefinition(where, await readBytes(embedded)), where, null, options)
  }
  for (const folder of folders) {
    const definition = await readDefinition(folder).catch((error: unknown) => {
      throw new Error(`${folder}: not a tokenizer that can be read (${(error as Error).message})`)
    })
    if (definition) return make(definition, folder, await readJsonIfAny(join(folder, 'tokenizer_config.json')), options)
  }
  throw new Error(
    `${options.name} has no tokenizer: no ${FORMS} in ${folders.join(' or ')}${advice === null ? '' : `. ${advice}`}`,
  )
}

function asDefinition(where: string, bytes: Uint8Array): Definition {
  try {
    return fromSpiece(bytes)
  } catch (error) {
    throw new Error(`${where}: not a tokenizer that can be read (${(error as Error).message})`)
  }
}

/** Opens a tokenizer folder. `limit` bounds `model_max_length` (the encoder's positions), or stands in for it. */
export const openTokenizer = (folder: string, limit: number, name: string): Promise<TextTokenizer> =>
  openTokenizerAt({ folders: [folder], embedded: null, advice: null }, { limit, name })
