/** `heddle bench`: runs one of the programs in bench/ in a process of its own, with a heap like the engine's. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { heapRoom } from '../engine/heap.ts'
import { BENCH, subjects } from './bench-subjects.ts'

/** Runs `bench/<subject>.main.ts` with the rest of the arguments; resolves to its exit code. Throws for an unknown subject. */
export function bench(subject: string, args: readonly string[]): Promise<number> {
  const known = subjects()
  if (!known.includes(subject)) throw new Error(`bench: there is no '${subject}'; there is ${known.join(', ')}`)
  const command = [heapRoom(), '--import', import.meta.resolve('tsx'), join(BENCH, `${subject}.main.ts`), ...args]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
