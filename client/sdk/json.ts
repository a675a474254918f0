/** JSON whose whole numbers beyond 2^53 stay exact: they are bigint in memory and plain digits on the wire. */

/** Strings and whole numbers with fraction and exponent are matched as one, so that digits inside them are left alone. */
const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const LONG_INTEGER = /^-?\d{16,}$/

const mark = (): string => `bigint-${Math.random().toString(36).slice(2)}-${Date.now().toString(36)}:`

/** Parses JSON; integers that a double cannot hold come back as bigint. Throws SyntaxError like JSON.parse. */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as unknown
  const marker = mark()
  const marked = text.replace(STRINGS_AND_NUMBERS, (token) =>
    LONG_INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${marker}${token}"` : token,
  )
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(marker) ? BigInt(value.slice(marker.length)) : value,
  ) as unknown
}

/** Serialises `value`, bigint included. */
export function stringifyJson(value: unknown, indent?: number): string {
  const marker = mark()
  const text = JSON.stringify(
    value,
    (_, item: unknown) => (typeof item === 'bigint' ? `${marker}${item}` : item),
    indent,
  )
  return text.includes(marker) ? text.replace(new RegExp(`"${marker}(-?\\d+)"`, 'g'), '$1') : text
}

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** A deep copy of a JSON value without keys that reach prototypes; throws beyond `depth` levels. */
export function cleanCopy(value: unknown, depth = 64): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) throw new Error('values are nested more than 64 levels deep')
  if (Array.isArray(value)) return value.map((item) => cleanCopy(item, depth - 1))
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) if (!FORBIDDEN.has(key)) copy[key] = cleanCopy(item, depth - 1)
  return copy
}
