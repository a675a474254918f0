/** How much memory this process could have in all: what it has, and what the machine or its container would still give. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { machineMemory } from './onnx/budget.ts'

const KIB = 1024

/** A line such as 'MemAvailable:   123 kB' of a file of the system, in bytes; null where there is no such line. */
function entry(text: string, name: string): number | null {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]
  return found === undefined ? null : Number(found) * KIB
}

/**
 * From Linux's /proc/meminfo and /proc/self/status, in bytes: memory that is free or can be freed, what the process itself holds (an
 * arena uses that again), at most `limit` of both, and free swap. Null where they do not tell.
 */
export function availableOf(meminfo: string, status: string, limit: number): number | null {
  const [free, own] = [entry(meminfo, 'MemAvailable'), entry(status, 'RssAnon')]
  return free === null || own === null ? null : Math.min(free + own, limit) + (entry(meminfo, 'SwapFree') ?? 0)
}

/** Bytes, rather too many than too few: other systems compress and swap as they see fit, there it is all that the machine has. */
export function availableMemory(): number {
  try {
    const read = (path: string): string => readFileSync(path, 'utf8')
    return availableOf(read('/proc/meminfo'), read('/proc/self/status'), machineMemory()) ?? totalmem()
  } catch {
    return totalmem()
  }
}
