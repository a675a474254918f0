/** ForecastCache's knobs and runs as its tests start them: a list of eight of 24 steps, forecasts alone, one branch. */
import { configure, type CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { forecastCache, type ForecastCacheParams } from '../../../nodes/caching/forecastcache.ts'
import { expect } from 'vitest'
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { Numbers } from './straight.ts'
import { runFake, type FakeRunOptions } from '../../diffusion/caching/run.ts'

export const knobs: ForecastCacheParams = {
  when: 'mask',
  enabled: true,
  tau: 0.018,
  mask: 'list',
  interval: 3,
  count: 4,
  steps: '0,1,2,4,7,11,16,20',
  share: 0.33,
  calibration: '',
  decides: '',
  forecast: 1,
  forecast_axis: 'sigma',
  forecast_reach: 0.5,
  corrector: 'off',
  uncond_every: 1,
  force_last: false,
  start: 0,
  end: 1,
}
export const at = (settings: Partial<ForecastCacheParams> = {}, decides: CacheConfiguration | null = null) =>
  configure(forecastCache(decides), { ...knobs, ...settings })
export const STEPS = 24
export const MASK = [0, 1, 2, 4, 7, 11, 16, 20]
export const run = (cache: CacheConfiguration | null, options: FakeRunOptions = {}) =>
  runFake({ cache, steps: STEPS, guidance: 1, ...options })
export const letters = (mask: readonly number[], steps = STEPS): string =>
  Array.from({ length: steps }, (_, k) => (mask.includes(k) ? 'C' : '.')).join('')
export const expectNear = ({ data }: Tensor, expected: Numbers, digits = 4): void =>
  data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, digits))
