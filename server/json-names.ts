/** Names that stand twice in one object of a JSON text: parsers take the last and say nothing. */

/** Names of all objects in a parsed value; of names that stood twice it has one. */
export function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const one of Object.values(value)) count += countNames(one)
  return count
}

interface Level {
  /** Null for a list. */
  readonly names: Set<string> | null
  place: string | number
}

/** The first name that stands twice, with its place, as in `prompt.3`. `endOfString` gives the index behind the string at a quote. */
export function nameTwice(text: string, endOfString: (text: string, open: number) => number): string | null {
  const levels: Level[] = []
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1)
    const char = text[at]
    if (char === '{') levels.push({ names: new Set(), place: '' })
    else if (char === '[') levels.push({ names: null, place: 0 })
    else if (char === '}' || char === ']') levels.pop()
    else if (char === ',' && level?.names === null) level.place = Number(level.place) + 1
    else if (char === '"') {
      const end = endOfString(text, at)
      if (level?.names && /^\s*:/.test(text.slice(end, end + 20))) {
        const name = JSON.parse(text.slice(at, end)) as string
        level.place = name
        if (level.names.has(name)) return levels.map(({ place }) => place).join('.')
        level.names.add(name)
      }
      at = end - 1
    }
  }
  return null
}
