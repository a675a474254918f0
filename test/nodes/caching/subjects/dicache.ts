/** DiCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const eager = { threshold: 0.15, warm_up: 0 }

const declaration = (history: number): Declaration => ({
  variant: `history ${history}`,
  forbidding: {
    'threshold 0': { threshold: 0 },
    'threshold 0 under a preset': { threshold: 0, preset: 'official-flux' },
    disabled: { enabled: false },
    'a threshold nothing is below': { threshold: 1e-9 },
  },
  eager: { ...eager, history },
  demanding: { probe_depth: 3 },
})

export default [1, 2, 4].map(declaration)
