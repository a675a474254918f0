/** The ends of the noise range that schedules of their own take; by default Stable Diffusion's. */
import { float } from '../../spec.ts'

export const endInputs = {
  sigma_max: float({
    default: 14.614642,
    min: 0.0001,
    max: 5000,
    step: 0.01,
    help: 'The noisiest level; 1 at most for flow models.',
  }),
  sigma_min: float({ default: 0.0291675, min: 0.0001, max: 5000, step: 0.01, help: 'The last level above 0.' }),
}
