/** The 'karras' schedule: evenly spaced in sigma^(1/7) (Karras et al. 2022, equation 5). */
import type { Schedule } from '../sampling-types.ts'

const RHO = 7

/** `count` sigmas from `highest` to `lowest`, both included, evenly spaced in sigma^(1/rho). */
export const karrasLevels = (highest: number, lowest: number, count: number, rho = RHO): number[] => {
  const [top, bottom] = [highest ** (1 / rho), lowest ** (1 / rho)]
  return Array.from({ length: count }, (_, i) => (top + (count === 1 ? 0 : (i / (count - 1)) * (bottom - top))) ** rho)
}

const karras: Schedule = {
  name: 'karras',
  sigmas: (steps, { table }) => [...karrasLevels(table[table.length - 1]!, table[0]!, steps), 0],
}

export default karras
