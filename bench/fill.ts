/** Puts generated text between marks of a page. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Puts `text` between the two marks of `name` in a Markdown file; throws when they are not there. */
export async function fill(root: string, path: string, name: string, text: string): Promise<void> {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const before = await readFile(join(root, path), 'utf8')
  const [start, end] = [before.indexOf(open), before.indexOf(close)]
  if (start < 0 || end < start) throw new Error(`${path}: expected ${open} and ${close} in this order`)
  await writeFile(join(root, path), `${before.slice(0, start + open.length)}\n\n${text}\n\n${before.slice(end)}`)
}
