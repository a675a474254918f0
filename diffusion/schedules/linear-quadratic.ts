/** The 'linear_quadratic' schedule: small even steps over the noisiest levels, then quadratically longer ones (Genmo's Mochi). */
import type { Schedule } from '../sampling-types.ts'

/** Share of the noise that the even half of the steps removes. */
const THRESHOLD = 0.025

/** Share of the noise removed before step i of `steps`, which is at least 2. */
function removed(i: number, steps: number): number {
  const even = Math.floor(steps / 2)
  if (i < even) return (i * THRESHOLD) / even
  const rest = steps - even
  const missing = even - THRESHOLD * steps
  const quadratic = missing / (even * rest ** 2)
  const linear = THRESHOLD / even - (2 * missing) / rest ** 2
  return quadratic * i ** 2 + linear * i + quadratic * even ** 2
}

const linearQuadratic: Schedule = {
  name: 'linear_quadratic',
  sigmas(steps, { table }) {
    const highest = table[table.length - 1]!
    if (steps === 1) return [highest, 0]
    return [...Array.from({ length: steps }, (_, i) => highest * (1 - removed(i, steps))), 0]
  },
}

export default linearQuadratic
