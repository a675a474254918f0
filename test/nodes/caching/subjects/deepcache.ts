/** DeepCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration: Declaration = {
  forbidding: {
    disabled: { enabled: false },
    'interval 1': { interval: 1 },
    'interval 1 under a preset': { interval: 1, preset: 'paper' },
  },
  eager: { interval: 3 },
  demanding: {},
}

export default declaration
