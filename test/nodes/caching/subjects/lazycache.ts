/** LazyCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration: Declaration = {
  forbidding: {
    'threshold 0': { reuse_threshold: 0 },
    disabled: { enabled: false },
    'a threshold nothing is below': { reuse_threshold: 1e-9 },
  },
  // The published window leaves the last steps to the model.
  eager: { reuse_threshold: 0.3, start_percent: 0, end_percent: 0.87 },
  window: (start, end) => ({ start_percent: start, end_percent: end }),
  demanding: null,
  coupled: true,
}

export default declaration
