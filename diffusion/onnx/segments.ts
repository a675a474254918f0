/** Sessions for ranges of a chain of blocks, holding every block's weights once however the chain is cut. */
import { memoryBudget, type MemoryBudget } from './budget.ts'
import type { Feed, Session } from './session.ts'
import type { Tensor } from '../tensor.ts'

/** Most cuts kept at once, so that a sweep over all block indices does not leave a session for every block. */
const CUT_LIMIT = 32

type Range = readonly [from: number, to: number]
type Rows = Readonly<Record<string, Tensor>>

/**
 * Runs blocks [from, to) of a chain. The chain is held as segments between the cuts asked for lately: a new cut splits the
 * segment it falls into, the least recently used cut is given up, and a range runs as the segments it spans. So weights are
 * never held twice, results do not depend on the cuts (measured: bit-identical), and each further session costs some 13 us.
 */
export class Segments {
  readonly #depth: number
  readonly #open: (from: number, to: number) => Promise<Session>
  readonly #budget: MemoryBudget
  /** Inner cuts, least recently used first. */
  #cuts: readonly number[] = []
  /** Cuts that the memory budget asks for: ranges that take most of it run in parts. */
  #budgeted: readonly number[] = []
  readonly #sessions = new Map<string, Session>()
  /** Sessions of the ranges run since the cuts last changed. */
  readonly #chains = new Map<string, readonly Session[]>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(depth: number, open: (from: number, to: number) => Promise<Session>, budget = memoryBudget) {
    this.#depth = depth
    this.#open = open
    this.#budget = budget
  }

  /** Feeds `rows` and `constants` to the first segment, each segment's outputs in place of the rows of their names to the next; `wanted` goes to all. */
  run(range: Range, rows: Rows, constants: Readonly<Record<string, Feed>>, wanted?: readonly string[]): Promise<Rows> {
    const [from, to] = range
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > this.#depth || from > to)
      throw new RangeError(`blocks ${from} to ${to} of a model with ${this.#depth}`)
    return this.#inTurn(async () => {
      let current = rows
      for (const session of await this.#chain(range))
        current = { ...current, ...(await session.run({ ...current, ...constants }, wanted)) }
      return current
    })
  }

  /** Closes all sessions after the runs already asked for. */
  release(): Promise<void> {
    return this.#inTurn(() => this.#keepOnly(new Set()))
  }

  /** One after another: a session must not be closed for a new cut while another call is between its segments. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #chain([from, to]: Range): Promise<readonly Session[]> {
    const wanted = [...new Set([from, to])].filter((cut) => cut > 0 && cut < this.#depth)
    this.#cuts = [...this.#cuts.filter((cut) => !wanted.includes(cut)), ...wanted].slice(-CUT_LIMIT)
    const key = `${from} ${to}`
    const chain = this.#chains.get(key) ?? (await this.#link([from, to]))
    this.#chains.set(key, chain)
    return chain
  }

  /** Opens what is missing between the present cuts. */
  async #link([from, to]: Range): Promise<readonly Session[]> {
    const cuts = new Set([...this.#cuts, ...this.#budgeted])
    const marks = [0, ...[...cuts].sort((a, b) => a - b), this.#depth]
    const segments = marks.slice(1).map((mark, i): Range => [marks[i]!, mark])
    await this.#keepOnly(new Set(segments.map(String)))
    const chain: Session[] = []
    for (const segment of segments.filter((s) => s[0] >= from && s[1] <= to)) {
      const session = await this.#session(segment)
      const inner = this.#partsOf(segment, session)
      if (inner.length > 0) {
        this.#budgeted = [...this.#budgeted, ...inner]
        return this.#link([from, to])
      }
      chain.push(session)
    }
    return chain
  }

  /** Cuts inside a segment that takes too much of the memory budget. */
  #partsOf([from, to]: Range, { weightBytes = 0 }: Session): readonly number[] {
    const parts = Math.min(this.#budget.partsOf(weightBytes), to - from)
    const length = (to - from) / parts
    return Array.from({ length: parts - 1 }, (_, i) => from + Math.round((i + 1) * length))
  }

  async #session(range: Range): Promise<Session> {
    const known = this.#sessions.get(String(range))
    if (known) return known
    const session = await this.#open(...range)
    this.#sessions.set(String(range), session)
    return session
  }

  async #keepOnly(keys: ReadonlySet<string>): Promise<void> {
    for (const [key, session] of this.#sessions) {
      if (keys.has(key)) continue
      this.#sessions.delete(key)
      this.#chains.clear()
      await session.release()
    }
  }
}
