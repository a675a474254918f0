/** ForecastCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const declaration = (variant: string, settings: Readonly<Record<string, unknown>>): Declaration => ({
  variant,
  forbidding: {
    disabled: { enabled: false },
    'a list of every step': { when: 'mask', mask: 'list', steps: '0-15', uncond_every: 1 },
    'interval 1': { when: 'mask', mask: 'interval', interval: 1, uncond_every: 1 },
    'tau 0': { when: 'controller', tau: 0 },
  },
  eager: { force_last: true, ...settings },
  demanding: null,
  coupled: true,
})

export default [
  declaration('controller', { when: 'controller', tau: 0.5 }),
  declaration('mask', { when: 'mask', mask: 'interval', interval: 3 }),
  declaration('mask, unconditional branch less often', {
    when: 'mask',
    mask: 'interval',
    interval: 3,
    uncond_every: 2,
  }),
]
