/** SDTurboScheduler: the few noise levels that adversarially distilled models were trained on. */
import { noiseLevels } from '../../diffusion/noise-levels.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float, int } from '../spec.ts'

/** Levels that SD-Turbo was trained on: the training steps 999, 899, ..., 99 (Sauer et al. 2023). */
const COUNT = 10

export default defineNode({
  type: 'SDTurboScheduler',
  category: 'sampling',
  title: 'SDTurboScheduler',
  help: 'Every hundredth training level, for SD-Turbo and SDXL-Turbo.',
  inputs: {
    model: port('MODEL'),
    steps: int({ default: 1, min: 1, max: COUNT }),
    denoise: float({ default: 1, min: 0, max: 1, step: 0.01, help: 'Below 1 begins that much later.' }),
  },
  outputs: { SIGMAS: 'SIGMAS' },
  run({ model, steps, denoise }) {
    const { at } = noiseLevels(model.parametrisation)
    const levels = Array.from({ length: COUNT }, (_, i) => Math.fround(at(1 - i / COUNT)))
    const first = COUNT - Math.trunc(COUNT * denoise)
    return { SIGMAS: [...levels.slice(first, first + steps), 0] }
  },
})
