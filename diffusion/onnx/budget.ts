/** How much memory weights may take: sessions beyond it are closed, least recently used first, and open again when they are run. */
import { totalmem } from 'node:os'

/** Of the machine's memory, where nobody says how much. */
const SHARE = 0.7
/** Ranges of blocks that take more than this share of the budget ... */
const LARGEST = 0.5
/** ... are cut into parts of this share, so that some stay open while others come and go. */
const PART = 0.25

/** A session as the budget sees it. */
export interface Held {
  /** Weights that it maps or holds. */
  readonly bytes: number
  /** Closes it; it opens again at its next run. */
  close(): Promise<void>
}

/** What is open, and what was at most. */
export interface Usage {
  /** Bytes of weights of open sessions. */
  readonly open: number
  /** The most there ever were. */
  readonly peak: number
  readonly limit: number
}

/** What a container allows, where the process is in one, or the machine has. */
export function machineMemory(): number {
  const allowed = process.constrainedMemory()
  return allowed > 0 && allowed < totalmem() ? allowed : totalmem()
}

export class MemoryBudget {
  #limit: number
  #open = 0
  #peak = 0
  /** Least recently used first; those in use are not among them. */
  readonly #idle = new Set<Held>()

  constructor(limit = SHARE * machineMemory()) {
    this.#limit = limit
  }

  get usage(): Usage {
    return { open: this.#open, peak: this.#peak, limit: this.#limit }
  }

  /** Bytes. What is open beyond it is closed when next something opens. */
  set limit(bytes: number) {
    if (!(bytes > 0)) throw new RangeError(`a memory budget of ${bytes} bytes; expected more than 0`)
    this.#limit = bytes
  }

  /** Bytes that a quarter of it is: what one part of a model is made to take. */
  get part(): number {
    return PART * this.#limit
  }

  /** Into how many parts a range of blocks is to be cut: 1 unless it takes most of the budget. */
  partsOf(bytes: number): number {
    return bytes > LARGEST * this.#limit ? Math.ceil(bytes / this.part) : 1
  }

  fits(bytes: number): boolean {
    return this.#open + bytes <= this.#limit
  }

  /** Counts the peak from now on. */
  watch(): void {
    this.#peak = this.#open
  }

  /** Before `held` opens: closes what is idle until it fits. What does not fit even alone is opened all the same. */
  async makeRoom({ bytes }: Held): Promise<void> {
    for (const idle of [...this.#idle]) {
      if (this.#open + bytes <= this.#limit) break
      // Another may have closed or taken it in the meantime.
      if (this.#idle.delete(idle)) await this.#close(idle)
    }
    this.#open += bytes
    this.#peak = Math.max(this.#peak, this.#open)
  }

  /** While it runs it stays open. */
  use(held: Held): void {
    this.#idle.delete(held)
  }

  /** It ran last of all. */
  idle(held: Held): void {
    this.#idle.add(held)
  }

  /** It is closed for good, or could not be opened. */
  forget(held: Held): void {
    this.#idle.delete(held)
    this.#open -= held.bytes
  }

  async #close(held: Held): Promise<void> {
    this.#open -= held.bytes
    await held.close()
  }
}

/** Of this process. */
export const memoryBudget = new MemoryBudget()
