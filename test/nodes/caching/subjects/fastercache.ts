/** FasterCache under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const forbidding = {
  disabled: { enabled: false },
  'disabled under a preset': { enabled: false, preset: 'official' },
  'intervals of 1': { attention_interval: 1, uncond_interval: 1 },
}

const declarations: readonly Declaration[] = [
  { forbidding, eager: {}, demanding: {}, coupled: true },
  { variant: 'attention alone', forbidding, eager: { uncond_interval: 1 }, demanding: {} },
]

export default declarations
