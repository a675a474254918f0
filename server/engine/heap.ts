/** How much room the heap of a process that computes has before it is first collected. */
import { totalmem } from 'node:os'

/** Share of the machine's memory, and its bounds in MiB. */
const [SHARE, LEAST, MOST] = [1 / 32, 256, 1024]

/**
 * The option of Node for it. Every output of a session is memory outside the heap that collections are started for: on the usual
 * small heap one every few evaluations, 5 to 15 ms each. A caching method that keeps the outputs of all modules (ProCache) lost a
 * tenth of its speed-up to them at 256 MiB. `bytes` is the machine's memory.
 */
export function heapRoom(bytes = totalmem()): string {
  const room = Math.round((bytes * SHARE) / 2 ** 20)
  return `--initial-old-space-size=${Math.min(MOST, Math.max(LEAST, room))}`
}
