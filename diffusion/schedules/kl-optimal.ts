/** The 'kl_optimal' schedule: evenly spaced in the arc tangent of sigma (Sabour et al. 2024, "Align Your Steps", section 3.1). */
import type { Schedule } from '../sampling-types.ts'
import { spaced } from './shared/spaced.ts'

const klOptimal: Schedule = {
  name: 'kl_optimal',
  sigmas(steps, { table }) {
    const [highest, lowest] = [table[table.length - 1]!, table[0]!].map(Math.atan)
    return [...spaced(highest!, lowest!, steps).map(Math.tan), 0]
  },
}

export default klOptimal
