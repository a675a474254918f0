/** How an engine process ended: what it says to the user, and whether it was the memory. */
import { readFileSync } from 'node:fs'

/** Milliseconds for which a count of kills is not read anew. */
const FRESH = 10_000
const HEAP = /JavaScript heap out of memory|Reached heap limit/
const ALLOCATION = /std::bad_alloc/
const HINT = 'a smaller size or batch, or a lower --memory, needs less'

/** The engine process ended while it was needed. */
export class EngineDiedError extends Error {
  override readonly name = 'EngineDiedError'
  /** It is certain that memory ran out: the same prompt would end the next engine too, and with it perhaps other programs. */
  readonly outOfMemory: boolean

  constructor(message: string, outOfMemory = false) {
    super(message)
    this.outOfMemory = outOfMemory
  }
}

/** From Linux's /proc/vmstat: processes killed because memory ran out, since the machine started. Null where it is not told. */
export const killsIn = (vmstat: string): number | null => {
  const [, count] = /^oom_kill (\d+)$/m.exec(vmstat) ?? []
  return count === undefined ? null : Number(count)
}

function systemKills(): number | null {
  try {
    return killsIn(readFileSync('/proc/vmstat', 'utf8'))
  } catch {
    return null
  }
}

/** Tells the system's kills for want of memory from those of a person: both are a SIGKILL, but the system counts its own. */
export class KillCount {
  readonly #read: () => number | null
  #known: number | null = null
  #at = -Infinity

  constructor(read = systemKills) {
    this.#read = read
  }

  /** Before a job begins. Cheap: a count of the last seconds will do. */
  note(): void {
    const now = performance.now()
    if (now - this.#at < FRESH) return
    this.#at = now
    this.#known = this.#read()
  }

  /** Whether the system has killed a process since the last note. */
  hasRisen(): boolean {
    const now = this.#read()
    return now !== null && this.#known !== null && now > this.#known
  }
}

/** `how` is the signal or the exit code, `stderr` the end of what the process wrote. A kill without a word may be the system's. */
export function deathOf(how: string, stderr: string, kills: KillCount): EngineDiedError {
  const text = stderr.trim()
  if (HEAP.test(text))
    return new EngineDiedError(`the engine process ended (${how}): its JavaScript heap was full; ${HINT}`, true)
  if (ALLOCATION.test(text))
    return new EngineDiedError(`the engine process ended (${how}): memory could not be allocated; ${HINT}`, true)
  const last = text.split('\n').slice(-3).join(' | ')
  if (how === 'SIGKILL' && kills.hasRisen())
    return new EngineDiedError(`the system killed the engine process because memory ran out: ${HINT}`, true)
  const guess = how === 'SIGKILL' && last === '' ? `, as when the memory runs out: ${HINT}` : ''
  return new EngineDiedError(`the engine process ended (${how}${guess})${last === '' ? '' : `: ${last}`}`)
}
