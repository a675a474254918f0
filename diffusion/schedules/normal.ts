/** The 'normal' schedule: evenly spaced in the model's timestep, both ends of the training range included. */
import type { Schedule } from '../sampling-types.ts'
import { spaced } from './shared/spaced.ts'

const normal: Schedule = {
  name: 'normal',
  sigmas(steps, levels) {
    const [first, last] = levels.ends
    // A range that ends at zero noise already gives the final 0.
    const reachesZero = Math.abs(levels.at(last)) <= 1e-5
    const sigmas = spaced(first, last, reachesZero ? steps + 1 : steps).map((time) => levels.at(time))
    return reachesZero ? sigmas : [...sigmas, 0]
  },
}

export default normal
