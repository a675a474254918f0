/** What `heddle bench` can measure: the programs in bench/, each with what it says of itself. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const BENCH = join(import.meta.dirname, '../../bench')
const ENDING = '.main.ts'

/** Names of the programs: files called NAME.main.ts. */
export const subjects = (): readonly string[] =>
  readdirSync(BENCH)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))

/** What a program says it does, after "`heddle bench NAME ...`: " in the comment that it begins with. */
function purpose(subject: string): string {
  const source = readFileSync(join(BENCH, subject + ENDING), 'utf8')
  const comment = source.slice(0, source.indexOf('*/')).replace(/\s*\n? \* ?|\/\*\*/g, ' ')
  return comment.slice(comment.indexOf('`: ') + 3).split(/[.;](?:\s|$)/)[0] ?? ''
}

/** A line for each program, for the help; read only when that is asked for. */
export function subjectsHelp(): string {
  const names = subjects()
  const width = Math.max(...names.map((name) => name.length))
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${purpose(name)}`)
  return ['', 'Subjects (their options: heddle bench cache --help):', ...lines].join('\n')
}
