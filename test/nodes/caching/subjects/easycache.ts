/** EasyCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration: Declaration = {
  forbidding: {
    'threshold 0': { reuse_threshold: 0 },
    'threshold 0 under a preset': { reuse_threshold: 0, preset: 'official' },
    disabled: { enabled: false },
    'a threshold nothing is below': { reuse_threshold: 1e-9 },
  },
  eager: { reuse_threshold: 0.3, start_percent: 0, end_percent: 0.9 },
  window: (start, end) => ({ start_percent: start, end_percent: end }),
  demanding: null,
}

export default declaration
