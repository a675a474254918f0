/** MixCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration: Declaration = {
  forbidding: {
    'threshold 0': { threshold: 0 },
    'threshold 0 under a preset': { threshold: 0, preset: 'reconstruction' },
    disabled: { enabled: false },
    'a threshold nothing is below': { threshold: 1e-9 },
  },
  eager: { threshold: 1, warm_up: 0, calm: 5 },
  demanding: {},
  coupled: true,
}

export default declaration
