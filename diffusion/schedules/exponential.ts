/** The 'exponential' schedule: evenly spaced in the logarithm of sigma (k-diffusion). */
import type { Schedule } from '../sampling-types.ts'
import { spaced } from './shared/spaced.ts'

/** `count` sigmas from `highest` to `lowest`, both included. */
export const exponentialLevels = (highest: number, lowest: number, count: number): number[] =>
  spaced(Math.log(highest), Math.log(lowest), count).map(Math.exp)

const exponential: Schedule = {
  name: 'exponential',
  sigmas: (steps, { table }) => [...exponentialLevels(table[table.length - 1]!, table[0]!, steps), 0],
}

export default exponential
