/** What a sampling run has in memory at most. */
import type { MemoryUse } from '../../../diffusion/caching/report-types.ts'
import { memoryBudget } from '../../../diffusion/onnx/budget.ts'

/** Starts watching: `look` after each step, `seen` at the end. */
export function watchMemory(): { look(): void; seen(): MemoryUse } {
  let resident = 0
  const look = (): void => {
    resident = Math.max(resident, process.memoryUsage.rss())
  }
  memoryBudget.watch()
  return {
    look,
    seen() {
      look()
      const { peak, limit } = memoryBudget.usage
      return { resident, weights: peak, budget: limit }
    },
  }
}
