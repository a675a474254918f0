/** Values that cannot be shown as they are. */

interface TensorLike {
  readonly data: Float32Array
  readonly shape: readonly number[]
}

const isTensor = (value: object): value is TensorLike => 'data' in value && value.data instanceof Float32Array

/** Records and lists; everything else is something that works, such as an opened model. */
const isPlain = (value: object): boolean =>
  Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null

/** A tensor by its shape and range, an opened model by its class, a large whole number in digits; the rest as it is. */
export function short(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function') return '(function)'
  if (typeof value !== 'object' || value === null) return value
  if (isTensor(value)) {
    const [low, high] = value.data.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity])
    return `[${value.shape.join(', ')}] from ${low} to ${high}`
  }
  return isPlain(value) ? value : `(${value.constructor.name})`
}
