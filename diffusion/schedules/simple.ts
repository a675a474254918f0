/** The 'simple' schedule: every n-th training level, from the noisiest. */
import type { Schedule } from '../sampling-types.ts'

const simple: Schedule = {
  name: 'simple',
  sigmas(steps, { table }) {
    const stride = table.length / steps
    const levels = Array.from({ length: steps }, (_, i) => table[table.length - 1 - Math.trunc(i * stride)]!)
    return [...levels, 0]
  },
}

export default simple
