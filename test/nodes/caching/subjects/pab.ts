/** PAB under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const forbidding = {
  disabled: { enabled: false },
  'disabled under a preset': { enabled: false, preset: 'official' },
  'ranges of 1': { attention_range: 1, temporal_range: 1, cross_range: 1, mlp_range: 1 },
}

const declarations: readonly Declaration[] = [
  { forbidding, eager: { attention_range: 3 }, demanding: {} },
  {
    variant: 'feed-forwards too',
    forbidding,
    eager: { attention_range: 2, mlp_range: 3, mlp_blocks: 8 },
    demanding: {},
  },
]

export default declarations
