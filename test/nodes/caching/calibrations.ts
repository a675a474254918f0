/** Calibrations of the fake model, made up so that the methods which need one skip a good part of a run. */
import type {
  MagCacheCalibration,
  SenCacheCalibration,
  TeaCacheCalibration,
} from '../../../diffusion/caching/calibration.ts'

const about = { model: 'fake', source: 'made up for tests' } as const

/** The residual grows by a fiftieth from one evaluation to the next. */
export const growing: MagCacheCalibration = {
  method: 'MagCache',
  ...about,
  ratios: { cond: [1, ...Array.from({ length: 15 }, () => 1.02)] },
}

/** The output changes as much as the modulated input. */
export const proportional: TeaCacheCalibration = {
  method: 'TeaCache',
  ...about,
  signal: 'modulated input',
  coefficients: [1, 0],
  range: [0, 10],
}

/** Equally sensitive everywhere. */
export const even: SenCacheCalibration = {
  method: 'SenCache',
  ...about,
  sigmas: [1, 0.5, 0],
  latent: [0.5, 0.5, 0.5],
  time: [0.01, 0.01, 0.01],
}
