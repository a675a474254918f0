/** Joins the calls that samples and branches make at the same time for one part of a transformer into one run over a batch. */
import { setImmediate } from 'node:timers/promises'
import { charge, type Spent } from './accounting.ts'
import type { Part, Rows, TokenCounts, Transformer } from './families/contract.ts'
import { copy, memory, row, sizeOf, type Tensor } from './tensor.ts'

/** One row waiting to be run: tensors with a leading extent of 1. */
export interface RowRequest {
  readonly part: Part
  readonly rows: Rows
  readonly shared: Rows
  /** Place in the batch: rows of one group are joined in this order, so that their memory keeps lying side by side. */
  readonly slot: number
  readonly tokens: TokenCounts
  /** The account that it goes on. */
  readonly spent: Spent
}

interface Request extends RowRequest {
  resolve(rows: Rows): void
  reject(error: unknown): void
}

/** A sampling run was cancelled; nothing of it may be used. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/** Order of parts within an evaluation: earlier ones run first, so that rows which skip wait for the others at the head. */
const STAGES = { embed: -2, tap: -1, head: Infinity }
const stage = (part: Part): number => (part.kind === 'blocks' ? part.from : STAGES[part.kind])

const samePart = (a: Part, b: Part): boolean => {
  if (a.kind === 'tap') return b.kind === 'tap' && a.name === b.name
  if (a.kind !== 'blocks') return a.kind === b.kind
  if (b.kind !== 'blocks' || a.from !== b.from || a.to !== b.to) return false
  return a.modules === b.modules || JSON.stringify(a.modules) === JSON.stringify(b.modules)
}

/** Same names, and per name the same shape but for the batch extent. */
export function sameShapes(a: Rows, b: Rows): boolean {
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  return names.every((name) => {
    const [x, y] = [a[name]!.shape, b[name]?.shape]
    return y?.length === x.length && x.every((extent, axis) => axis === 0 || extent === y[axis])
  })
}

/** The same values, for all names. */
export const sameShared = (a: Rows, b: Rows): boolean =>
  a === b ||
  (Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => a[name]!.data === b[name]?.data))

/** A range of blocks of which no module is answered from outside: it can be run in pieces, with the same bits. */
const isPlain = (part: Part): part is Part & { kind: 'blocks' } => part.kind === 'blocks' && !part.modules

const beginsAlike = (a: Part, b: Part): boolean => (isPlain(a) && isPlain(b) ? a.from === b.from : samePart(a, b))

const together = (a: Request, b: Request): boolean =>
  beginsAlike(a.part, b.part) && sameShared(a.shared, b.shared) && sameShapes(a.rows, b.rows)

/**
 * How much of its part a request runs now: of a plain range, up to where another that it could join begins or ends. Rows that left out
 * other blocks meet again there, and a batch costs less than as many single rows.
 */
function pieceOf({ part, ...first }: Request, waiting: readonly Request[]): Part {
  if (!isPlain(part)) return part
  const others = waiting.filter((one) => sameShared(first.shared, one.shared) && sameShapes(first.rows, one.rows))
  const marks = others.flatMap((one) => (isPlain(one.part) ? [one.part.from, one.part.to] : []))
  return { ...part, to: Math.min(part.to, ...marks.filter((mark) => mark > part.from)) }
}

/** Whether each part begins in memory where the one before it ends. */
const contiguous = (parts: readonly Tensor[]): boolean =>
  parts.every((part, i) => {
    const before = parts[i - 1]?.data
    return (
      !before || (before.buffer === part.data.buffer && before.byteOffset + before.byteLength === part.data.byteOffset)
    )
  })

/** Stacks rows along the batch, `into` that memory where it fits; rows that lie side by side are joined without copying. */
export function joinRows(parts: readonly Tensor[], into?: Float32Array): Tensor {
  const first = parts[0]!
  if (parts.length === 1) return first
  const shape = [parts.length, ...first.shape.slice(1)]
  if (contiguous(parts))
    return { data: new Float32Array(first.data.buffer, first.data.byteOffset, sizeOf(shape)), shape }
  const data = memory(sizeOf(shape), into)
  parts.forEach((part, i) => data.set(part.data, i * first.data.length))
  return { data, shape }
}

/** Joins rows in memory that is used again by the next join of the same name, and gives each request what is its own of the outcome. */
class Batcher {
  readonly #memory = new Map<string, Float32Array>()
  /** All that was ever in `#memory`. */
  readonly #buffers = new Set<ArrayBufferLike>()

  join(group: readonly Request[]): Rows {
    const first = group[0]!.rows
    if (group.length === 1) return first
    const joined: Record<string, Tensor> = {}
    for (const name in first) {
      const parts = group.map((one) => one.rows[name]!)
      const stacked = joinRows(parts, this.#memory.get(name))
      if (stacked.data.buffer !== parts[0]!.data.buffer) this.#keep(name, stacked.data)
      joined[name] = stacked
    }
    return joined
  }

  #keep(name: string, data: Float32Array): void {
    this.#memory.set(name, data)
    this.#buffers.add(data.buffer)
  }

  /** Rows `index` of `output`; what the transformer hands on as it got it stays the request's own tensor. */
  split(output: Rows, joined: Rows, request: Request, index: number): Rows {
    if (output === joined) return request.rows
    const rows: Record<string, Tensor> = {}
    for (const name in output) {
      const whole = output[name]!
      const own = whole === joined[name] ? request.rows[name] : undefined
      const lent = !own && this.#buffers.has(whole.data.buffer)
      const part = own ?? row(whole, index)
      rows[name] = lent ? copy(part) : part
    }
    return rows
  }
}

/**
 * Resolves when nothing is left to do but wait: woken rows have asked for their next part. (A tick asked for from a microtask
 * comes after all microtasks.) A turn of the event loop for every part would cost as much as a small block.
 */
const microtasksDrained = (): Promise<void> =>
  new Promise((resolve) => {
    queueMicrotask(() => {
      process.nextTick(resolve)
    })
  })

/** The transformer of one sampling run, called one row at a time. */
export class CoalescingQueue {
  readonly #transformer: Transformer
  readonly #signal: AbortSignal
  readonly #batcher = new Batcher()
  #waiting: Request[] = []
  #draining = false
  /** After a failure nothing more is run for this sampling run. */
  #failure: { readonly error: unknown } | null = null

  constructor(transformer: Transformer, signal: AbortSignal) {
    this.#transformer = transformer
    this.#signal = signal
  }

  /** Runs a part on one row, together with whatever else is asked for before the caller's microtasks have drained. */
  run(request: RowRequest): Promise<Rows> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...request, resolve, reject })
      if (this.#draining) return
      this.#draining = true
      void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    await setImmediate()
    while (this.#waiting.length > 0) {
      const [part, group] = this.#takeGroup()
      try {
        this.#check()
        await this.#runGroup(part, group)
      } catch (error) {
        this.#failure ??= { error }
        for (const one of [...group, ...this.#waiting.splice(0)]) one.reject(error)
      }
      // Once per evaluation the process gets to hear of other things, such as an abort.
      await (part.kind === 'head' ? setImmediate() : microtasksDrained())
    }
    this.#draining = false
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error
    if (this.#signal.aborted) throw new InterruptedError('sampling was interrupted')
  }

  /** Removes the rows that wait for the earliest part and fit the first of them. */
  #takeGroup(): readonly [Part, readonly Request[]] {
    const first = this.#waiting.reduce((a, b) => (stage(b.part) < stage(a.part) ? b : a))
    const piece = pieceOf(first, this.#waiting)
    const group = this.#waiting.filter((one) => together(first, one)).sort((a, b) => a.slot - b.slot)
    this.#waiting = this.#waiting.filter((one) => !group.includes(one))
    return [piece, group]
  }

  /** What is left of a request's part after this piece waits anew. */
  async #runGroup(part: Part, group: readonly Request[]): Promise<void> {
    const began = performance.now()
    const joined = this.#batcher.join(group)
    const output = await this.#transformer.run(part, joined, group[0]!.shared)
    const milliseconds = (performance.now() - began) / group.length
    group.forEach((one, i) => {
      one.spent.milliseconds += milliseconds
      charge(one.spent, this.#transformer, part, one.tokens)
      const rows = group.length === 1 ? output : this.#batcher.split(output, joined, one, i)
      if (part.kind !== 'blocks' || one.part.kind !== 'blocks' || part.to === one.part.to) one.resolve(rows)
      else this.#waiting.push({ ...one, rows, part: { ...one.part, from: part.to } })
    })
  }
}
