/** The order of names in a JSON text, kept where JavaScript changes it: it puts names that are whole numbers first, by size. */
import { NAMES, namesOf } from '../nodes/origin.ts'
import { endOfString, isRecord, parseExact, stringifyExact } from './json.ts'

/** Names of the object that a valid JSON text is, or of the one under its name `within`, in their order; empty where there is none. */
export function namesIn(text: string, within?: string): string[] {
  const wanted = within === undefined ? 1 : 2
  const names: string[] = []
  let [depth, entered, next] = [0, within === undefined, false]
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '{' || char === '[') {
      depth++
      if (next && char === '{') entered = true
      next = false
    } else if (char === '}' || char === ']') {
      depth--
      if (entered && depth < wanted) return names
    } else if (char === '"') {
      const end = endOfString(text, at)
      if (depth <= wanted && /^\s*:/.test(text.slice(end, end + 20))) {
        const name = JSON.parse(text.slice(at, end)) as string
        if (depth === wanted && entered) names.push(name)
        next = depth === 1 && !entered && name === within
      }
      at = end - 1
    }
  }
  return names
}

/** Notes on `value` the order that its names have in `names`, unless it is the one that JavaScript has for them anyway. */
export function inOrder<T extends object>(value: T, names: readonly string[]): T {
  const own = Object.keys(value)
  const differs = own.length === names.length && own.some((name, i) => name !== names[i])
  return differs ? Object.assign(value, { [NAMES]: names }) : value
}

/** As parseExact, with the order of names noted on the value, and on its `prompt` if it is a body as it is posted. */
export function parseOrdered(text: string): unknown {
  const value = parseExact(text)
  if (!isRecord(value)) return value
  if (isRecord(value['prompt'])) inOrder(value['prompt'], namesIn(text, 'prompt'))
  return inOrder(value, namesIn(text))
}

/** JSON of an object with its names in the order that was noted on it. */
export function orderedJson(value: Readonly<Record<string, unknown>>): string {
  const names = namesOf(value)
  if (!names) return stringifyExact(value)
  return `{${names.map((name) => `${JSON.stringify(name)}:${stringifyExact(value[name])}`).join(',')}}`
}
