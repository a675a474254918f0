/** SenCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'
import { even } from '../calibrations.ts'

const eager = { threshold: 3, early_threshold: 3, calibration: JSON.stringify(even) }
const forbidding = {
  'threshold 0': { threshold: 0 },
  'threshold 0 under a preset, for a model without a table': { threshold: 0, preset: 'official', calibration: '' },
  disabled: { enabled: false },
  'thresholds nothing is below': { threshold: 1e-9, early_threshold: 1e-9 },
}

export default [{}, { forecast: 1 }, { reuse: 'output' }].map((own): Declaration => ({
  variant: JSON.stringify(own).replace(/["{}]/g, '') || 'plain',
  forbidding,
  eager: { ...eager, ...own },
  demanding: {},
}))
