/** Rotary position tables (Su et al. 2021) over several axes, made on the host, and how graphs take them. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Fields } from '../json.ts'

/** Cosines and sines [tokens, half a head], one for each pair of values that turns. */
export interface RotaryTables {
  readonly cos: Tensor
  readonly sin: Tensor
}

export interface RotaryAxes {
  /** Values of a head that turn with each axis; even, and in this order inside the head. */
  readonly sizes: readonly number[]
  /** The base of the frequencies: theta^(-2i / size). */
  readonly theta: number
}

/** The sizes of the axes by a list of a configuration, as many as in `usual`; together they are to be a whole head. */
export function readAxes(fields: Fields, name: string, usual: readonly number[], headSize: number): readonly number[] {
  const sizes = fields.counts(name, usual)
  const fits = sizes.length === usual.length && sizes.every((size) => size % 2 === 0)
  fields.require(
    fits && sizes.reduce((a, b) => a + b, 0) === headSize,
    `${name} [${sizes.join(', ')}] must be ${usual.length} even numbers whose sum is the size of a head, ${headSize}`,
  )
  return sizes
}

/** Tables of so many tokens; `position` gives a token's place on each axis. */
export function rotaryTables(
  tokens: number,
  position: (token: number) => readonly number[],
  { sizes, theta }: RotaryAxes,
): RotaryTables {
  const frequencies = sizes.map((size) => Float64Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size)))
  const half = sizes.reduce((sum, size) => sum + size, 0) / 2
  const [cos, sin] = [new Float32Array(tokens * half), new Float32Array(tokens * half)]
  for (let token = 0, at = 0; token < tokens; token++) {
    const place = position(token)
    for (const [axis, own] of frequencies.entries())
      for (const frequency of own) {
        const angle = place[axis]! * frequency
        cos[at] = Math.cos(angle)
        sin[at++] = Math.sin(angle)
      }
  }
  return { cos: tensor(cos, [tokens, half]), sin: tensor(sin, [tokens, half]) }
}

/** Place [frame, row, column] of a token of a grid of h x w patches a frame, frame by frame and row by row. */
export const gridPlace =
  (h: number, w: number) =>
  (token: number): readonly [number, number, number] => [
    Math.floor(token / (h * w)),
    Math.floor(token / w) % h,
    token % w,
  ]

/** The same tables for every row of a batch: [tokens, half] -> [B, tokens, half], B as in `rows`. */
export function forBatch(g: Graph, table: Value, rows: Value): Value {
  const batch = g.once(`batch of ${rows.name}`, () => g.op('Shape', [rows], { start: 0, end: 1 }))
  return g.op('Expand', [table, g.op('Concat', [batch, g.op('Shape', [table])], { axis: 0 })])
}

/** Tables of tokens that do not turn, before those of others: like `text` [B, L, ..] in number, cosines 1 and sines 0. */
export function afterUnturned(g: Graph, tables: { cos: Value; sin: Value }, text: Value, half: number) {
  const lead = g.op('Shape', [text], { start: 0, end: 2 })
  const shape = g.op('Concat', [lead, g.ints([half])], { axis: 0 })
  const extended = (table: Value, still: number): Value =>
    g.op('Concat', [g.op('Expand', [g.constant([still]), shape]), forBatch(g, table, text)], { axis: 1 })
  return { cos: extended(tables.cos, 1), sin: extended(tables.sin, 0) }
}
