/** StepMask under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration = (variant: string, settings: Readonly<Record<string, unknown>>): Declaration => ({
  variant,
  forbidding: {
    'interval 1': { mode: 'interval', interval: 1 },
    disabled: { enabled: false },
    'a list of every step': { mode: 'list', steps: '0-15' },
    'as many steps as there are': { mode: 'evenly', count: 16 },
  },
  eager: { interval: 3, ...settings },
  demanding: { reuse: 'residual' },
})

export default [
  declaration('residual', { reuse: 'residual' }),
  declaration('prediction, forecast 1', { reuse: 'prediction', forecast: 1, forecast_reach: 0.5 }),
]
