/** BasicScheduler: the noise levels of a schedule for a model. */
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { schedules } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { schedulerName } from '../sampling-run.ts'
import { float, int } from '../spec.ts'

export default defineNode({
  type: 'BasicScheduler',
  category: 'sampling',
  title: 'BasicScheduler',
  help: 'Noise levels of a schedule over the training range of a model.',
  inputs: {
    model: port('MODEL'),
    scheduler: schedulerName,
    steps: int({ default: 20, min: 1, max: 10000 }),
    denoise: float({
      default: 1,
      min: 0,
      max: 1,
      step: 0.01,
      help: 'Below 1 gives the last steps of a longer schedule.',
    }),
  },
  outputs: { SIGMAS: 'SIGMAS' },
  run: ({ model, scheduler, steps, denoise }) => ({
    SIGMAS: runSigmas(schedules.get(scheduler)!, steps, denoise, model.parametrisation),
  }),
})
