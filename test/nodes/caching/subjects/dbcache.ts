/** DBCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration = (variant: string, settings: Readonly<Record<string, unknown>>): Declaration => ({
  variant,
  forbidding: {
    'threshold 0': { threshold: 0 },
    'threshold 0 under a preset': { threshold: 0, preset: 'official' },
    disabled: { enabled: false },
    'a threshold nothing is below': { threshold: 1e-9 },
  },
  eager: { threshold: 0.3, warm_up_steps: 1, ...settings },
  demanding: {},
})

export default [
  declaration('front 2', { front_blocks: 2 }),
  declaration('front 1, back 2, forecast 1', { front_blocks: 1, back_blocks: 2, forecast: 1 }),
]
