/** First-Block-Cache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration = (forecast: number): Declaration => ({
  variant: `forecast ${forecast}`,
  forbidding: {
    'threshold 0': { threshold: 0 },
    'threshold 0 under a preset': { threshold: 0, preset: 'official' },
    disabled: { enabled: false },
    'a threshold nothing is below': { threshold: 1e-9 },
  },
  eager: { threshold: 0.3, forecast },
  demanding: {},
})

export default [0, 1, 2].map(declaration)
