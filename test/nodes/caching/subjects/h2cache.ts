/** H2-Cache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration: Declaration = {
  forbidding: {
    'both thresholds 0': { threshold_1: 0, threshold_2: 0 },
    'both thresholds 0 under a preset': { threshold_1: 0, threshold_2: 0, preset: 'official' },
    disabled: { enabled: false },
    'thresholds nothing is below': { threshold_1: 1e-9, threshold_2: 1e-9 },
  },
  eager: { threshold_1: 0.2, threshold_2: 0.2 },
  demanding: {},
}

export default declaration
