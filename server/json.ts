/** JSON that keeps 64-bit integers exact: whole numbers beyond 2^53 are parsed to bigint and written back digit for digit. */
import { randomBytes } from 'node:crypto'
import { countNames, nameTwice } from './json-names.ts'

/** Marks a big integer inside a string while JSON.parse or JSON.stringify passes over it; unguessable, so no input can forge it. */
const MARK = `big:${randomBytes(16).toString('hex')}:`
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')
/** A quote, or a whole number of 16 to 40 digits that is not part of a longer number. */
const QUOTE_OR_BIG = /"|(?<![\d.eE+-])-?\d{16,40}(?![\d.eE])/g
/** A quote, such a number, or one that is whole but written with a fraction, as in 5.0. */
const QUOTE_OR_BIG_OR_FLOAT = /"|(?<![\d.eE+-])-?(?:\d{16,40}|\d{1,15}\.0{1,15})(?![\d.eE])/g
/** Deeper texts are refused: writing them back, or sending them between processes, is recursive. */
const MAX_DEPTH = 200
/** A workflow of 10,000 nodes has about 400,000. */
const MAX_VALUES = 500_000

/** Index behind the string whose opening quote is at `open`; `text` is valid JSON. */
export function endOfString(text: string, open: number): number {
  let at = open
  for (;;) {
    at = text.indexOf('"', at + 1)
    if (at < 0) return text.length
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === 92) slashes++
    if (slashes % 2 === 0) return at + 1
  }
}

/** Puts quotes and the mark around every number that `pattern` finds and a plain number cannot stand for. */
function mark(text: string, pattern: RegExp): string {
  const parts: string[] = []
  let copied = 0
  pattern.lastIndex = 0
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    if (match[0] === '"') {
      pattern.lastIndex = endOfString(text, match.index)
    } else if (match[0].includes('.') || !Number.isSafeInteger(Number(match[0]))) {
      parts.push(text.slice(copied, match.index), `"${MARK}${match[0]}"`)
      copied = pattern.lastIndex
    }
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(copied)
}

/** Looks at the size before anything is built of it. Throws SyntaxError; returns how many names the objects have. */
function checkSize(text: string): number {
  let [depth, values, names] = [0, 0, 0]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) at = endOfString(text, at) - 1
    else if (code === 58) names++
    else if (code === 123 || code === 91) {
      values++
      if (++depth > MAX_DEPTH) throw new SyntaxError(`JSON is nested deeper than ${MAX_DEPTH} levels`)
    } else if (code === 125 || code === 93) depth--
    else if (code === 44) values++
  }
  if (values > MAX_VALUES) throw new SyntaxError(`JSON has more than ${MAX_VALUES} values`)
  return names
}

function revive(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('the key "__proto__" is not allowed')
  if (typeof value !== 'string' || !value.startsWith(MARK)) return value
  const digits = value.slice(MARK.length)
  return digits.includes('.') ? Object(Number(digits)) : BigInt(digits)
}

/**
 * Parses any JSON value. Throws SyntaxError for malformed text, more than 200 levels or 500,000 values, a key named `__proto__`, and
 * one that stands twice in an object.
 */
export function parseExact(text: string): unknown {
  const names = checkSize(text)
  const plain: unknown = JSON.parse(text)
  if (countNames(plain) !== names)
    throw new SyntaxError(`a name stands twice in one object: ${nameTwice(text, endOfString) ?? ''}`)
  const marked = /\d{16}/.test(text) ? mark(text, QUOTE_OR_BIG) : text
  if (marked === text && !/__proto__|\\u00[567]/i.test(text)) return plain
  return JSON.parse(marked, revive)
}

/** Parses what this program has checked or written itself: big integers stay exact, and no limit is looked at. */
export function parseOwn(text: string): unknown {
  const marked = /\d{16}/.test(text) ? mark(text, QUOTE_OR_BIG) : text
  return marked === text ? JSON.parse(text) : JSON.parse(marked, revive)
}

/**
 * As parseExact, but numbers written like 5.0 come as Number objects: the one way to tell them from 5, which matters where an input
 * takes FLOAT but not INT. Null when the text has none.
 */
export const parseWithFloats = (text: string): unknown =>
  /\d\.0/.test(text) ? JSON.parse(mark(text, QUOTE_OR_BIG_OR_FLOAT), revive) : null

/** The reverse of parseExact; like JSON.stringify, NaN and infinities become null. `change` may replace values by key. */
export function stringifyExact(value: unknown, change?: (key: string, value: unknown) => unknown): string {
  if (!change) {
    try {
      // Many times faster; it throws at the first big integer.
      return JSON.stringify(value)
    } catch {
      // The long way says what is wrong, if it is something else.
    }
  }
  const marked = JSON.stringify(value, (key, given: unknown) => {
    const one = change ? change(key, given) : given
    return typeof one === 'bigint' ? `${MARK}${one}` : one
  })
  return marked.includes(MARK) ? marked.replace(MARKED, '$1') : marked
}

/** True for `{...}`: neither null nor a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
