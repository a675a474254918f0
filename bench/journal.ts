/** Where finished measurements are kept, one line of JSON each, so that a bench that was killed goes on where it was. */
import { createHash } from 'node:crypto'
import { appendFile, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'

const head = {
  key: z.string(),
  /** Digest of the sources that measured. */
  code: z.string(),
  /** Commit they were at; not in old journals. */
  commit: z.string().optional(),
}

const pictureSchema = z.object({
  ...head,
  kind: z.literal('picture'),
  evaluations: z.int(),
  blocks: z.number(),
  flops: z.number(),
  /** Decibels against the uncached picture; null stands for identical pictures. */
  psnr: z.number().nullable(),
  ssim: z.number(),
  /** mean|a - b| / mean|b| of the final latent, b that of the uncached run. */
  latentL1: z.number(),
  /** |a - b| / |b| (Euclidean) of the final latent, b the converged solution; null when that was not asked for. */
  truthL2: z.number().nullable(),
  /** What the user's own judges say, by name. */
  judged: z.record(z.string(), z.number()),
  decisions: z.string(),
})
const timeSchema = z.object({
  ...head,
  kind: z.literal('time'),
  /** The two runs of the setting, and the uncached ones before and after. */
  seconds: z.tuple([z.number(), z.number()]),
  uncachedSeconds: z.tuple([z.number(), z.number()]),
  flops: z.number(),
  uncachedFlops: z.number(),
})
const truthSchema = z.object({ ...head, kind: z.literal('truth'), latent: z.string() })
const memorySchema = z.object({
  ...head,
  kind: z.literal('memory'),
  residentBytes: z.number(),
  heldBytes: z.number(),
})
const calibrationSchema = z.object({ ...head, kind: z.literal('calibration'), text: z.string() })
const recordSchema = z.discriminatedUnion('kind', [
  pictureSchema,
  timeSchema,
  truthSchema,
  memorySchema,
  calibrationSchema,
])

export type PictureRecord = z.infer<typeof pictureSchema>
export type TimeRecord = z.infer<typeof timeSchema>
export type TruthRecord = z.infer<typeof truthSchema>
export type JournalRecord = z.infer<typeof recordSchema>
type Kind = JournalRecord['kind']
type RecordOf<K extends Kind> = Extract<JournalRecord, { kind: K }>
type Entry<K extends Kind> = Omit<RecordOf<K>, 'key' | 'code' | 'commit' | 'kind'>

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24)

/** Key of a measurement: a digest of everything that decides its result, and of nothing else. */
export const keyOf = (kind: Kind, about: unknown): string => digest(`${kind} ${JSON.stringify(about)}`)

/** A line that a killed bench left half written is no record. */
function parseLine(line: string): JournalRecord | null {
  try {
    return recordSchema.safeParse(JSON.parse(line)).data ?? null
  } catch {
    return null
  }
}

const parseLines = (text: string): readonly JournalRecord[] => text.split('\n').flatMap((line) => parseLine(line) ?? [])

/** All records of a journal, of whatever sources. Throws where there is no such file. */
export const recordsIn = async (path: string): Promise<readonly JournalRecord[]> =>
  parseLines(await readFile(path, 'utf8'))

export class Journal {
  /** Digest of the sources that measure now. */
  readonly code: string
  readonly #path: string
  readonly #commit: string | undefined
  readonly #records = new Map<string, JournalRecord>()

  private constructor(path: string, code: string, commit: string | undefined) {
    this.#path = path
    this.code = code
    this.#commit = commit
  }

  /**
   * `code` is a digest of the sources; records made by other sources are passed over. `fresh` passes over all. `commit` goes into
   * the records that are added.
   */
  static async open(path: string, code: string, fresh: boolean, commit?: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true })
    const journal = new Journal(path, code, commit)
    const text = fresh ? '' : await readFile(path, 'utf8').catch(() => '')
    for (const record of parseLines(text)) if (record.code === code) journal.#records.set(record.key, record)
    // A half-written line must not swallow the next record.
    if (text !== '' && !text.endsWith('\n')) await appendFile(path, '\n')
    return journal
  }

  get<K extends Kind>(kind: K, key: string): RecordOf<K> | undefined {
    const found = this.#records.get(key)
    return found?.kind === kind ? (found as RecordOf<K>) : undefined
  }

  async add<K extends Kind>(kind: K, key: string, entry: Entry<K>): Promise<void> {
    const record = recordSchema.parse({ kind, key, code: this.code, commit: this.#commit, ...entry })
    await appendFile(this.#path, `${JSON.stringify(record)}\n`)
    this.#records.set(key, record)
  }

  /** Lets what other sources measured stand here until the journal is closed: the file holds only what these sources measured. */
  adopt(record: JournalRecord): void {
    this.#records.set(record.key, record)
  }
}

async function filesBelow(folder: string, pattern: RegExp): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** Digest of the sources that measurements depend on: all of diffusion/ and nodes/, with their tables. */
export async function codeDigest(root: string): Promise<string> {
  const files = (
    await Promise.all(['diffusion', 'nodes'].map((name) => filesBelow(join(root, name), /\.(ts|json)$/)))
  ).flat()
  const texts = await Promise.all(files.map(async (file) => `${relative(root, file)}\n${await readFile(file, 'utf8')}`))
  return digest(texts.join('\n'))
}

const SAMPLED = 1024 ** 2

/** Digest of a model's files: names and sizes, and the first and last MiB of each, which is enough to tell checkpoints apart. */
export async function modelDigest(folder: string): Promise<string> {
  const hash = createHash('sha256')
  for (const path of await filesBelow(folder, /\.(safetensors|json)$/)) {
    const { size } = await stat(path)
    hash.update(`${relative(folder, path)} ${size}\n`)
    const file = await open(path)
    try {
      for (const position of new Set([0, Math.max(0, size - SAMPLED)])) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(SAMPLED, size)), 0, null, position)
        hash.update(buffer.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }
  return hash.digest('hex').slice(0, 24)
}
