/** The 'normal' schedule: evenly spaced in the model's timestep, both ends of the training range included. */
import type { NoiseLevels, Schedule } from '../sampling-types.ts'

/** `count` values from `first` to `last`, both included. */
const spaced = (first: number, last: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (count === 1 ? first : first + ((last - first) * i) / (count - 1)))

/** ComfyUI takes the sigmas of the range's ends as times again, so a shifted model is shifted twice at the low end. */
const ends = ({ table }: NoiseLevels): [number, number] => [table[table.length - 1]!, table[0]!]

const normal: Schedule = {
  name: 'normal',
  sigmas(steps, levels) {
    const [first, last] = ends(levels)
    // A range that ends at zero noise already gives the final 0.
    const reachesZero = Math.abs(levels.at(last)) <= 1e-5
    const sigmas = spaced(first, last, reachesZero ? steps + 1 : steps).map((time) => levels.at(time))
    return reachesZero ? sigmas : [...sigmas, 0]
  },
}

export default normal
