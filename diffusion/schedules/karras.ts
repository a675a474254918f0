/** The 'karras' schedule: evenly spaced in sigma^(1/7) (Karras et al. 2022, equation 5). */
import type { Schedule } from '../sampling-types.ts'

const RHO = 7

/** `count` sigmas from `highest` to `lowest`, both included. */
export const karrasLevels = (highest: number, lowest: number, count: number): number[] => {
  const [top, bottom] = [highest ** (1 / RHO), lowest ** (1 / RHO)]
  return Array.from({ length: count }, (_, i) => (top + (count === 1 ? 0 : (i / (count - 1)) * (bottom - top))) ** RHO)
}

const karras: Schedule = {
  name: 'karras',
  sigmas: (steps, { table }) => [...karrasLevels(table[table.length - 1]!, table[0]!, steps), 0],
}

export default karras
