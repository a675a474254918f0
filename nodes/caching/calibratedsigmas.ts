/** CalibratedSigmas: the noise levels at which a calibrated mask computes, for a plain sampler of as many steps: the mask's honest rival. */
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { schedules } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, float, int } from '../spec.ts'
import { calibratedMask } from './calibration/masks.ts'
import { maskFaults, maskKnobs } from './knobs/mask.ts'

export default defineNode({
  type: 'CalibratedSigmas',
  category: 'caching',
  title: 'Calibrated Sigmas',
  help:
    'The noise levels that a calibrated mask computes at, and the last one: few steps where they matter most. With the sampler ab2 they are what ForecastCache comes to ' +
    'without its cap and corrector; with euler, what it comes to without a forecast.',
  inputs: {
    model: port('MODEL', { help: 'The model that the mask was calibrated for.' }),
    steps: int({
      default: 30,
      min: 2,
      max: 10000,
      help: 'Steps of the full run; share of them is how many levels come out.',
    }),
    cfg: float({
      default: 3,
      min: 0,
      max: 100,
      step: 0.1,
      round: 0.01,
      help: 'Guidance of the run; masks are tied to it.',
    }),
    scheduler: choice([...schedules.keys()], {
      default: 'simple',
      help: 'How the noise levels of the full run are spaced.',
    }),
    share: maskKnobs.share,
    calibration: maskKnobs.calibration,
  },
  outputs: { SIGMAS: 'SIGMAS' },
  validate({ calibration }) {
    const found = maskFaults({ ...(calibration !== undefined && { calibration }) })
    return Object.keys(found).length > 0 ? found : undefined
  },
  run({ model, steps, cfg, scheduler, share, calibration }) {
    const sigmas = runSigmas(schedules.get(scheduler)!, steps, 1, model.parametrisation)
    const run = { model: model.name, sampler: 'euler', guidance: cfg, sigmas }
    const mask = calibratedMask('CalibratedSigmas', calibration, share, run)
    return { SIGMAS: [...mask.map((step) => sigmas[step]!), sigmas.at(-1)!] }
  },
})
