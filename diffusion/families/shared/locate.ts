/** Looks a family's weights up in a file of one layout, and says what does not fit. */
import { rowsOf, type StoredTensor, type Weights } from '../../onnx/weights.ts'
import type { Fit, OpenedTransformer, Place } from '../family.ts'
import type { NamedWeights } from './layers.ts'

export type { Place }

/** Shapes of all weights by name. */
export class Shapes {
  readonly all = new Map<string, readonly number[]>()

  set(name: string, shape: readonly number[]): void {
    this.all.set(name, shape)
  }

  linear(name: string, out: number, wide: number): void {
    this.set(`${name}.weight`, [out, wide])
    this.set(`${name}.bias`, [out])
  }

  /** linear_1 and linear_2 with an activation between them. */
  embedMlp(name: string, out: number, wide: number): void {
    this.linear(`${name}.linear_1`, out, wide)
    this.linear(`${name}.linear_2`, out, out)
  }
}

export interface Located {
  readonly found: NamedWeights
  readonly misfits: readonly string[]
}

/** Every weight found, by name, and a line for each that is missing or has another shape; parts of fused tensors become row ranges. */
export function locate(
  tensors: Weights['tensors'],
  shapes: ReadonlyMap<string, readonly number[]>,
  place: (name: string) => Place,
): Located {
  const places = [...shapes].map(([name, shape]) => ({ name, shape, ...place(name) }))
  /** Rows that each tensor of the file must have: where the last of its parts ends. */
  const extents = new Map<string, number>()
  for (const { key, row, shape } of places) extents.set(key, Math.max(row + (shape[0] ?? 0), extents.get(key) ?? 0))
  const found = new Map<string, StoredTensor>()
  const misfits = new Set<string>()
  for (const { name, key, row, shape } of places) {
    const stored = tensors.get(key)
    const expected = [extents.get(key)!, ...shape.slice(1)]
    if (stored && String(stored.shape) === String(expected)) found.set(name, rowsOf(stored, row, row + (shape[0] ?? 0)))
    else
      misfits.add(`${key}: ${stored ? `[${stored.shape.join(', ')}]` : 'missing'}, expected [${expected.join(', ')}]`)
  }
  return { found, misfits: [...misfits] }
}

/** Keys that quantised weights bring along: where such a key is left, the weights are other numbers than they seem. */
const isScale = (key: string): boolean => /\.(scale_weight|weight_scale|weight_scale_inv|absmax|quant_map)$/.test(key)

/** What ComfyUI and others put in front of every key of a transformer inside a larger checkpoint. */
const PREFIXES = ['model.diffusion_model.', 'diffusion_model.', 'transformer.']

/** Tensors by key without a common prefix; `signs` are keys of which every file of the family has one. */
export function unprefixed(tensors: Weights['tensors'], signs: readonly string[]): Weights['tensors'] {
  const prefix = PREFIXES.find((p) => signs.some((sign) => tensors.has(p + sign)))
  if (!prefix) return tensors
  return new Map(
    [...tensors].filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]),
  )
}

/** How many blocks a file has: the first index without this key. */
export function countBlocks(tensors: Weights['tensors'], key: (index: number) => string): number {
  let blocks = 0
  while (tensors.has(key(blocks))) blocks++
  return blocks
}

/** One layout of one family, and a file to hold against it. */
export interface Candidate {
  /** 'sd3 (diffusers keys)'. */
  readonly label: string
  readonly weights: Weights
  /** Of the file, without prefix. */
  readonly tensors: Weights['tensors']
  readonly shapes: ReadonlyMap<string, readonly number[]>
  readonly place: (name: string) => Place
  /** Where every layout of the family keeps a weight; this layout alone where absent. */
  readonly places?: (name: string) => readonly Place[]
  readonly open: (found: NamedWeights) => OpenedTransformer
}

/** A fit that cannot be opened. */
export function unfit(weights: Weights, label: string, share: number, misfits: readonly string[]): Fit {
  const open = (): OpenedTransformer => {
    throw new Error(`${weights.where}: not ${label}: ${misfits.join('; ')}`)
  }
  return { label, share, misfits, open }
}

/** How well the file fits; it opens when every weight is there in its shape. */
export function fitOf({ label, weights, tensors, shapes, place, places, open }: Candidate): Fit {
  const { found, misfits } = locate(tensors, shapes, place)
  const scale = [...tensors.keys()].find(isScale)
  if (scale)
    return unfit(weights, label, (found.size - 1) / shapes.size, [
      `${scale}: this quantisation is not supported (float8 with one scale a weight or a row is)`,
      ...misfits,
    ])
  if (misfits.length > 0) return unfit(weights, label, found.size / shapes.size, misfits)
  const named = {
    role: { kind: 'transformer' as const },
    weights: found,
    places: places ?? ((name: string) => [place(name)]),
  }
  return { label, share: 1, misfits, open: (change) => open(change ? change(named) : found) }
}
