/** The 'sgm_uniform' schedule: evenly spaced in the model's timestep, the lowest training level left out. */
import type { Schedule } from '../sampling-types.ts'

const sgmUniform: Schedule = {
  name: 'sgm_uniform',
  sigmas(steps, { ends, at }) {
    const [first, last] = ends
    return [...Array.from({ length: steps }, (_, i) => at(first + ((last - first) * i) / steps)), 0]
  },
}

export default sgmUniform
