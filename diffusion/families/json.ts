/** Reading configuration files: fields by name and type, all faults of a file in one error. */
import { access, readFile } from 'node:fs/promises'
import type { Json } from './family.ts'

/** Whether something is at `path`. */
export const fileExists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Parses a JSON file that must hold an object; the error names the file. */
export async function readJson(path: string): Promise<Json> {
  const text = await readFile(path, 'utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${path}: not JSON (${(error as Error).message})`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${path}: not a JSON object`)
  return value as Json
}

/** Like readJson; null when there is no such file. */
export async function readJsonIfAny(path: string): Promise<Json | null> {
  return readJson(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  })
}

/** Largest sizes accepted: of vocabularies and widths, of numbers of layers, and of lists. */
const [SIZE_LIMIT, LAYER_LIMIT, LIST_LIMIT] = [2 ** 20, 1000, 64]

const mostOf = (name: string): number => (/layers/.test(name) ? LAYER_LIMIT : SIZE_LIMIT)

const isCount = (value: unknown, most: number): value is number =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= most

/** Reads fields of a configuration and collects what is wrong; `done` throws it all at once. */
export class Fields {
  readonly #json: Json
  readonly #where: string
  readonly #faults: string[] = []

  constructor(json: Json, where: string) {
    this.#json = json
    this.#where = where
  }

  #read<T>(name: string, fallback: T | undefined, expected: string, fits: (value: unknown) => value is T, none: T): T {
    const value = this.#json[name] ?? fallback
    if (fits(value)) return value
    this.#faults.push(
      `${name} is ${name in this.#json ? JSON.stringify(this.#json[name]) : 'missing'}, expected ${expected}`,
    )
    return none
  }

  /** A whole number of at least 1, and no larger than any model's: graphs and tables are made by it. */
  count(name: string, fallback?: number): number {
    const most = mostOf(name)
    const fits = (v: unknown): v is number => isCount(v, most)
    return this.#read(name, fallback, `a whole number from 1 to ${most}`, fits, 1)
  }

  number(name: string, fallback?: number): number {
    return this.#read(name, fallback, 'a number', (v): v is number => Number.isFinite(v), 0)
  }

  flag(name: string, fallback?: boolean): boolean {
    return this.#read(name, fallback, 'true or false', (v): v is boolean => typeof v === 'boolean', false)
  }

  counts(name: string, fallback?: readonly number[]): readonly number[] {
    const most = mostOf(name)
    const fits = (v: unknown): v is readonly number[] =>
      Array.isArray(v) && v.length > 0 && v.length <= LIST_LIMIT && v.every((n) => isCount(n, most))
    return this.#read(name, fallback, `a list of whole numbers from 1 to ${most}`, fits, [1])
  }

  /** One of some words. */
  choice<T extends string>(name: string, words: readonly T[], fallback?: T): T {
    const fits = (v: unknown): v is T => words.includes(v as T)
    return this.#read(name, fallback, words.map((word) => `'${word}'`).join(' or '), fits, words[0]!)
  }

  /** Notes a fault that concerns several fields. */
  require(holds: boolean, otherwise: string): void {
    if (!holds) this.#faults.push(otherwise)
  }

  done(): void {
    if (this.#faults.length > 0) throw new Error(`${this.#where}: ${this.#faults.join('; ')}`)
  }
}
