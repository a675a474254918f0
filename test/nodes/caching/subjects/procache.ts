/** ProCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const forbidding = {
  disabled: { enabled: false },
  'disabled under a preset': { enabled: false, preset: 'official' },
  'a budget of everything': { budget: 1 },
}

const declarations: readonly Declaration[] = [
  { forbidding, eager: { budget: 0.34, token_ratio: 0.3 }, demanding: {} },
  { variant: 'forecast', forbidding, eager: { budget: 0.4, forecast: 1, forecast_reach: 0.5 }, demanding: {} },
]

export default declarations
