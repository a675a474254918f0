/** The 'ddim_uniform' schedule: every n-th training level from the second least noisy on, as DDIM's authors had it. */
import type { Schedule } from '../sampling-types.ts'

/** Where n does not divide the training steps there may be more levels than steps were asked for, as in ComfyUI. */
const ddimUniform: Schedule = {
  name: 'ddim_uniform',
  sigmas(steps, { table }) {
    const first = 1
    const reachesZero = table[first]! <= 1e-5
    const stride = Math.max(Math.floor(table.length / (reachesZero ? steps + 1 : steps)), 1)
    const levels = [...table].filter((_, i) => i >= first && (i - first) % stride === 0).reverse()
    return reachesZero ? levels : [...levels, 0]
  },
}

export default ddimUniform
