/** The 'sgm_uniform' schedule: evenly spaced in the model's timestep, the lowest training level left out. */
import type { Schedule } from '../sampling-types.ts'

const sgmUniform: Schedule = {
  name: 'sgm_uniform',
  sigmas(steps, { table, at }) {
    // As in ComfyUI, the sigmas of the range's ends serve as times once more.
    const [first, last] = [table[table.length - 1]!, table[0]!]
    return [...Array.from({ length: steps }, (_, i) => at(first + ((last - first) * i) / steps)), 0]
  },
}

export default sgmUniform
