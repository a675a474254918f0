/** Processor time per prompt of server, engine and poster, from /proc: other work on the machine changes it far less than it changes times. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chain, type Load, type Target } from './load.ts'

const NANOSECONDS = 1e6
const PROMPTS = 2000

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // A process or thread that has just ended.
    return ''
  }
}

const parentOf = (pid: string): string => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[1] ?? ''

/** Milliseconds of processor time that all threads of a process have had. */
function spent(pid: string): number {
  const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  const times = threads.map((id) => Number(read(`/proc/${pid}/task/${id}/schedstat`).split(' ')[0] ?? 0))
  return times.reduce((sum, time) => sum + time, 0) / NANOSECONDS
}

/** Milliseconds per prompt of two nodes from eight posters, as a sentence; null on systems without these files. */
export async function processorTime(load: Load, { pid }: Target): Promise<string | null> {
  if (!existsSync('/proc/self/schedstat')) return null
  const server = String(pid)
  // Beside the engine the server may have children that only wait, such as the compiler of its sources.
  const engine = readdirSync('/proc').filter((one) => /^\d+$/.test(one) && parentOf(one) === server)
  const parts = { server: [server], engine, poster: [String(process.pid)] }
  const spentBy = (pids: readonly string[]): number => pids.reduce((sum, pid) => sum + spent(pid), 0)
  const before = Object.values(parts).map(spentBy)
  let value = Math.floor(Math.random() * 1e9)
  await load.rate(() => chain(2, value++), PROMPTS, 8)
  const shown = Object.entries(parts).map(([name, pids], index) => {
    const took = (spentBy(pids) - (before[index] ?? 0)) / PROMPTS
    return `${name} ${took.toFixed(2)}`
  })
  return `processor time per prompt of 2 nodes, 8 posters: ${shown.join(', ')} ms`
}
