/** Choices inside prompts: `a {red|blue} house` becomes one of its readings each time the workflow is queued. */

/** A random whole number of 0 .. count - 1. */
export type Pick = (count: number) => number

const randomly: Pick = (count) => Math.floor(Math.random() * count)
/** Deeper groups than a person writes stay as they are. */
const MAX_DEPTH = 10

/** A group's closing brace, and the bars between its alternatives. */
interface Group {
  end: number
  readonly bars: number[]
}

/** The closed groups of a text by the place of their opening brace, found in one pass. */
function groupsOf(text: string): Map<number, Group> {
  const closed = new Map<number, Group>()
  const open: { start: number; group: Group }[] = []
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]
    if (letter === '\\') i++
    else if (letter === '{') open.push({ start: i, group: { end: -1, bars: [] } })
    else if (letter === '|') open.at(-1)?.group.bars.push(i)
    else if (letter === '}') {
      const last = open.pop()
      if (last) closed.set(last.start, { ...last.group, end: i })
    }
  }
  return closed
}

/** Resolves every `{a|b}`, also nested ones; `\{`, `\}` and `\|` stand for themselves, a brace that is never closed is text. */
export function resolveChoices(text: string, pick: Pick = randomly, depth = 0): string {
  if (depth > MAX_DEPTH || !/[{\\]/.test(text)) return text
  const groups = groupsOf(text)
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const group = groups.get(i)
    if (group) {
      const edges = [i, ...group.bars, group.end]
      const chosen = pick(edges.length - 1)
      out += resolveChoices(text.slice(edges[chosen]! + 1, edges[chosen + 1]), pick, depth + 1)
      i = group.end
    } else if (text[i] === '\\' && '{}|'.includes(text[i + 1] ?? ' ')) out += text[++i]!
    else out += text[i]!
  }
  return out
}
