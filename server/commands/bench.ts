/** `heddle bench`: runs one of the programs in bench/ in a process of its own. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PROGRAM } from '../config.ts'

/** Names of the programs: files called NAME.main.ts. */
function subjects(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.main.ts'))
    .map((file) => file.slice(0, -'.main.ts'.length))
}

/** Runs `bench/<subject>.main.ts` with the rest of the arguments; resolves to its exit code. Throws for an unknown subject. */
export function bench(subject: string, args: readonly string[]): Promise<number> {
  const folder = join(PROGRAM, 'bench')
  const known = subjects(folder)
  if (!known.includes(subject)) throw new Error(`bench: there is no '${subject}'; there is ${known.join(', ')}`)
  const command = ['--import', import.meta.resolve('tsx'), join(folder, `${subject}.main.ts`), ...args]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
