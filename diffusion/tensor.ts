/** Dense float32 tensors on the host and the few pure operations that samplers and caches need. */

/**
 * Row-major values; `data.length` is the product of `shape`. Operations never write to an input and give new tensors, but for those
 * that are handed memory to write `into`: fresh memory costs several times the arithmetic (64 KiB: 14 us to add, 40 to touch).
 */
export interface Tensor {
  readonly data: Float32Array
  readonly shape: readonly number[]
}

/** Number of values in a tensor of this shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1)

/** A tensor over `data`; throws when the length is not the product of the shape. */
export function tensor(data: Float32Array, shape: readonly number[]): Tensor {
  if (data.length !== sizeOf(shape))
    throw new Error(`tensor: ${data.length} values do not fill the shape [${shape.join(', ')}]`)
  return { data, shape }
}

/** The same values in memory of their own. */
export function copy(a: Tensor, into?: Float32Array): Tensor {
  const out = memory(a.data.length, into)
  out.set(a.data)
  return { data: out, shape: a.shape }
}

export const zeros = (shape: readonly number[]): Tensor => tensor(new Float32Array(sizeOf(shape)), shape)

const sameSize = (a: Tensor, b: Tensor, what: string): void => {
  if (a.data.length !== b.data.length)
    throw new Error(`${what}: shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}] differ in size`)
}

/** Elementwise `f(a, b)`, in the shape of `a`. */
export function zip(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor {
  sameSize(a, b, 'zip')
  const out = new Float32Array(a.data.length)
  const [x, y] = [a.data, b.data]
  for (let i = 0; i < out.length; i++) out[i] = f(x[i]!, y[i]!)
  return { data: out, shape: a.shape }
}

/** `into` where it fits, else fresh memory; what it held is lost. It may be the memory of an operand. */
export const memory = (length: number, into?: Float32Array): Float32Array =>
  into?.length === length ? into : new Float32Array(length)

/** `a + b`; four at a time, in half the time of one by one. */
export function add(a: Tensor, b: Tensor, into?: Float32Array): Tensor {
  sameSize(a, b, 'add')
  const out = memory(a.data.length, into)
  const [x, y] = [a.data, b.data]
  const even = out.length & ~3
  for (let i = 0; i < even; i += 4) {
    out[i] = x[i]! + y[i]!
    out[i + 1] = x[i + 1]! + y[i + 1]!
    out[i + 2] = x[i + 2]! + y[i + 2]!
    out[i + 3] = x[i + 3]! + y[i + 3]!
  }
  for (let i = even; i < out.length; i++) out[i] = x[i]! + y[i]!
  return { data: out, shape: a.shape }
}

/** `a - b`, as `add`. */
export function sub(a: Tensor, b: Tensor, into?: Float32Array): Tensor {
  sameSize(a, b, 'sub')
  const out = memory(a.data.length, into)
  const [x, y] = [a.data, b.data]
  const even = out.length & ~3
  for (let i = 0; i < even; i += 4) {
    out[i] = x[i]! - y[i]!
    out[i + 1] = x[i + 1]! - y[i + 1]!
    out[i + 2] = x[i + 2]! - y[i + 2]!
    out[i + 3] = x[i + 3]! - y[i + 3]!
  }
  for (let i = even; i < out.length; i++) out[i] = x[i]! - y[i]!
  return { data: out, shape: a.shape }
}

/** `a + factor * b`. */
export function axpy(a: Tensor, factor: number, b: Tensor, into?: Float32Array): Tensor {
  sameSize(a, b, 'axpy')
  const out = memory(a.data.length, into)
  const [x, y] = [a.data, b.data]
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + factor * y[i]!
  return { data: out, shape: a.shape }
}

/** `factor * a`. */
export function scale(a: Tensor, factor: number, into?: Float32Array): Tensor {
  const out = memory(a.data.length, into)
  const x = a.data
  for (let i = 0; i < out.length; i++) out[i] = factor * x[i]!
  return { data: out, shape: a.shape }
}

/** `a + t * (b - a)`: `a` at 0, `b` at 1, beyond both for other t. */
export function lerp(a: Tensor, b: Tensor, t: number, into?: Float32Array): Tensor {
  sameSize(a, b, 'lerp')
  const out = memory(a.data.length, into)
  const [x, y] = [a.data, b.data]
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + t * (y[i]! - x[i]!)
  return { data: out, shape: a.shape }
}

/** Mean of |a|, summed in float64; in four partial sums, because one alone waits for each addition. */
export function meanAbs(a: Tensor): number {
  const x = a.data
  const even = x.length & ~3
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (let i = 0; i < even; i += 4) {
    s0 += Math.abs(x[i]!)
    s1 += Math.abs(x[i + 1]!)
    s2 += Math.abs(x[i + 2]!)
    s3 += Math.abs(x[i + 3]!)
  }
  for (let i = even; i < x.length; i++) s0 += Math.abs(x[i]!)
  return (s0 + s1 + s2 + s3) / x.length
}

/** Whether every value is a finite number: 0 times any other is none. */
export function isFiniteTensor({ data }: Tensor): boolean {
  const even = data.length & ~3
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (let i = 0; i < even; i += 4) {
    s0 += 0 * data[i]!
    s1 += 0 * data[i + 1]!
    s2 += 0 * data[i + 2]!
    s3 += 0 * data[i + 3]!
  }
  for (let i = even; i < data.length; i++) s0 += 0 * data[i]!
  return s0 + s1 + s2 + s3 === 0
}

/** Mean of |a - b|, summed as in `meanAbs`. */
export function meanAbsDifference(a: Tensor, b: Tensor): number {
  sameSize(a, b, 'meanAbsDifference')
  const [x, y] = [a.data, b.data]
  const even = x.length & ~3
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (let i = 0; i < even; i += 4) {
    s0 += Math.abs(x[i]! - y[i]!)
    s1 += Math.abs(x[i + 1]! - y[i + 1]!)
    s2 += Math.abs(x[i + 2]! - y[i + 2]!)
    s3 += Math.abs(x[i + 3]! - y[i + 3]!)
  }
  for (let i = even; i < x.length; i++) s0 += Math.abs(x[i]! - y[i]!)
  return (s0 + s1 + s2 + s3) / x.length
}

/** mean|now - before| / mean|before|: the relative L1 distance that step caches call drift. NaN or Infinity when `before` is all zero. */
export const relativeL1 = (now: Tensor, before: Tensor): number => meanAbsDifference(now, before) / meanAbs(before)

/** Row `index` along the first axis, as a view with a leading extent of 1 (shares memory). */
export function row(a: Tensor, index: number): Tensor {
  const size = a.data.length / (a.shape[0] ?? 1)
  return { data: a.data.subarray(index * size, (index + 1) * size), shape: [1, ...a.shape.slice(1)] }
}

/** Stacks tensors of equal trailing shape along the first axis; a single one is returned as it is. */
export function concatRows(parts: readonly Tensor[]): Tensor {
  const first = parts[0]
  if (!first) throw new Error('concatRows: nothing to join')
  if (parts.length === 1) return first
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0)
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part.data, offset)
    offset += part.data.length
  }
  return tensor(out, [rows, ...first.shape.slice(1)])
}
