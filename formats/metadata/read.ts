/** The workflow that a picture or a video carries: one reader for the server and the editor. */
import { isMp4, readMp4 } from './mp4.ts'
import { isPng, readPng } from './png.ts'
import { Texts } from './texts.ts'
import { isWebm, readWebm } from './webm.ts'
import { isWebp, readWebp } from './webp.ts'

interface Format {
  is(bytes: Uint8Array): boolean
  read(bytes: Uint8Array, texts: Texts): void | Promise<void>
}

const FORMATS: readonly Format[] = [
  { is: isPng, read: readPng },
  { is: isWebp, read: readWebp },
  { is: isMp4, read: readMp4 },
  { is: isWebm, read: readWebm },
]

/** Whether the bytes are of a kind of file that may carry a workflow: PNG, WebP, MP4, MOV, WebM or Matroska. */
export const isCarrier = (bytes: Uint8Array): boolean => FORMATS.some((format) => format.is(bytes))

/** The texts in a file by name; empty for other kinds of file, and what is damaged is left out. Throws MetadataError beyond 32 MB. */
export async function readTexts(bytes: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const texts = new Texts()
  await FORMATS.find((format) => format.is(bytes))?.read(bytes, texts)
  return texts.found
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A string, whose words are its own, or a number as only Python's JSON has it. */
const STRING_OR_PYTHON = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/gs

/** Python writes NaN and Infinity into its JSON, ComfyUI for one wherever a node asked to run every time: they read as null. */
const fromPython = (text: string): string =>
  /NaN|Infinity/.test(text) ? text.replace(STRING_OR_PYTHON, (found) => (found.startsWith('"') ? found : 'null')) : text

/** Node packs for video put all of it as one JSON object into the comment, parts of it as JSON once more. */
function fromComment(comment: string | undefined, parse: (text: string) => unknown): unknown {
  if (comment?.trimStart().startsWith('{') !== true) return null
  let about: unknown
  try {
    about = parse(comment)
  } catch {
    // A comment in a person's own words.
    return null
  }
  if (!isRecord(about)) return null
  const found = about['workflow'] ?? about['prompt'] ?? null
  return typeof found === 'string' ? parse(found) : found
}

/**
 * The saved workflow in a file, else its API prompt, else null. `parseJson` is a JSON parser that keeps whole numbers of 64 bits. Throws
 * what `parseJson` throws, and MetadataError for more than 32 MB of text.
 */
export async function embeddedWorkflow(bytes: Uint8Array, parseJson: (text: string) => unknown): Promise<unknown> {
  const texts = await readTexts(bytes)
  const parse = (text: string) => parseJson(fromPython(text))
  const text = texts.get('workflow') ?? texts.get('prompt')
  return text === undefined ? fromComment(texts.get('comment'), parse) : parse(text)
}
