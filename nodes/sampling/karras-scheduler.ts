/** KarrasScheduler: noise levels evenly spaced in sigma^(1/rho), between ends of one's own. */
import { karrasLevels } from '../../diffusion/schedules/karras.ts'
import { defineNode } from '../define.ts'
import { float, int } from '../spec.ts'
import { endInputs } from './running/ends.ts'

export default defineNode({
  type: 'KarrasScheduler',
  category: 'sampling',
  title: 'KarrasScheduler',
  help: 'Noise levels after Karras et al. 2022, equation 5. The ends are those of Stable Diffusion unless told.',
  inputs: {
    steps: int({ default: 20, min: 1, max: 10000 }),
    ...endInputs,
    rho: float({ default: 7, min: 0.01, max: 100, step: 0.01, help: 'Higher puts more steps at low noise.' }),
  },
  outputs: { SIGMAS: 'SIGMAS' },
  run: ({ steps, sigma_max, sigma_min, rho }) => ({
    SIGMAS: [...karrasLevels(sigma_max, sigma_min, steps, rho).map(Math.fround), 0],
  }),
})
