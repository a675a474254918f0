/** ProfilingDiT under the conformance suite: the settings that its rules are tried with. */
import type { Declaration } from '../subject.ts'

const off = { disabled: { enabled: false }, 'interval 1': { interval: 1, last_interval: 1 } }
const eager = { warm_up: 0, interval: 4, last_interval: 4 }

const declarations: readonly Declaration[] = [
  { variant: 'auto', forbidding: off, eager, demanding: {} },
  { variant: 'given blocks', forbidding: {}, eager: { ...eager, blocks: '1-2,4,6-7' }, demanding: {} },
]

export default declarations
