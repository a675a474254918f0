/** SplitSigmasDenoise: noise levels in two parts, the second with a share of the steps. */
import { roundHalfEven } from '../../diffusion/schedules/shared/rounding.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

export default defineNode({
  type: 'SplitSigmasDenoise',
  category: 'sampling',
  title: 'SplitSigmasDenoise',
  help: 'The last steps, as many as their share says, apart from those before.',
  inputs: {
    sigmas: port('SIGMAS'),
    denoise: float({ default: 1, min: 0, max: 1, step: 0.01, help: 'Share of the steps in the second part.' }),
  },
  outputs: { high_sigmas: 'SIGMAS', low_sigmas: 'SIGMAS' },
  run({ sigmas, denoise }) {
    const low = roundHalfEven(Math.max(sigmas.length - 1, 0) * denoise)
    // With no steps in the second part ComfyUI gives none in the first either; here they are all in the first.
    const from = sigmas.length - low
    return { high_sigmas: sigmas.slice(0, from), low_sigmas: sigmas.slice(Math.max(0, from - 1)) }
  },
})
