/** TeaCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'
import { proportional } from '../calibrations.ts'

const declaration = (forecast: number): Declaration => ({
  variant: `forecast ${forecast}`,
  forbidding: {
    'threshold 0': { threshold: 0 },
    'threshold 0 under a preset, for a model without a table': { threshold: 0, preset: 'official', calibration: '' },
    disabled: { enabled: false },
    'a threshold nothing is below': { threshold: 1e-9 },
  },
  eager: { threshold: 0.5, warm_up: 0, calibration: JSON.stringify(proportional), forecast },
  demanding: {},
})

export default [0, 1].map(declaration)
