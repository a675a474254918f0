/** ExponentialScheduler: noise levels evenly spaced in their logarithm, between ends of one's own. */
import { exponentialLevels } from '../../diffusion/schedules/exponential.ts'
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'
import { endInputs } from './running/ends.ts'

export default defineNode({
  type: 'ExponentialScheduler',
  category: 'sampling',
  title: 'ExponentialScheduler',
  help: 'Noise levels that fall by the same share in each step. The ends are those of Stable Diffusion unless told.',
  inputs: { steps: int({ default: 20, min: 1, max: 10000 }), ...endInputs },
  outputs: { SIGMAS: 'SIGMAS' },
  run: ({ steps, sigma_max, sigma_min }) => ({
    SIGMAS: [...exponentialLevels(sigma_max, sigma_min, steps).map(Math.fround), 0],
  }),
})
