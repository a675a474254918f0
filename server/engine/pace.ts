/** What is known of how long node classes keep the process busy, and a record on disk of the node that runs: read when the process dies over it. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

/** Milliseconds below which a node does not hold up the events of others. */
const QUICK = 1
const FADE = 0.9
const MAX_BYTES = 4096

export interface Mark {
  readonly promptId: string
  readonly nodeId: string
}

/** The node that the process at work marked last in the file at `path`; null when there is none. */
export function readMark(path: string): Mark | null {
  try {
    const [promptId = '', nodeId = ''] = readFileSync(path, 'utf8').split('\n')
    return promptId === '' ? null : { promptId, nodeId }
  } catch {
    return null
  }
}

export class Pace {
  readonly #slowest = new Map<string, number>()
  readonly #file: number | null

  /** `path` is where the node that runs is written down; null writes nothing. */
  constructor(path: string | null = null) {
    this.#file = path === null ? null : openSync(path, 'w', 0o600)
  }

  /** Writes down what runs from now on: a plain write, which survives the process but costs only microseconds. */
  mark(promptId: string, nodeId: string): void {
    if (this.#file === null) return
    const bytes = Buffer.from(`${promptId}\n${nodeId}\n`)
    if (bytes.length <= MAX_BYTES) writeSync(this.#file, bytes, 0, bytes.length, 0)
    else ftruncateSync(this.#file)
  }

  /** Whether nodes of this class kept the process busy before, or nobody knows yet. */
  mayBlock(type: string): boolean {
    return (this.#slowest.get(type) ?? Infinity) > QUICK
  }

  /** Runs the synchronous part of a node and remembers how long it took. */
  timed<T>(type: string, work: () => T): T {
    const started = performance.now()
    try {
      return work()
    } finally {
      const took = performance.now() - started
      // Fades, so that one pause of the process does not count forever.
      this.#slowest.set(type, Math.max(took, (this.#slowest.get(type) ?? 0) * FADE))
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
  }
}
