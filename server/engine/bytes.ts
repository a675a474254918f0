/** Roughly how much memory a value on a link holds. */

/** Objects below this depth are not looked into: what is large lies near the top. */
const MAX_DEPTH = 6
const OBJECT = 64

/** Bytes of typed arrays and texts below `value`; each object counts once. Models keep their weights elsewhere. */
export function bytesOf(value: unknown, seen = new Set<object>(), depth = 0): number {
  if (typeof value === 'string') return 2 * value.length
  if (typeof value !== 'object' || value === null || seen.has(value)) return 8
  seen.add(value)
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (depth === MAX_DEPTH) return OBJECT
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return OBJECT
  // Plain objects only: reading a getter of a live object might compute something.
  let bytes = OBJECT
  for (const { value: part } of Object.values(Object.getOwnPropertyDescriptors(value)))
    bytes += bytesOf(part, seen, depth + 1)
  return bytes
}
