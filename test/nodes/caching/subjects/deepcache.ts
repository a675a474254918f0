/** DeepCache under the conformance suite: the settings that its rules are tried with, on a transformer and on a U-Net. */
import type { Declaration } from '../subject.ts'

const shared = {
  forbidding: {
    disabled: { enabled: false },
    'interval 1': { interval: 1 },
    'interval 1 under a preset': { interval: 1, preset: 'paper' },
  },
  demanding: {},
}

/** Four skip tensors between eight blocks: three down, the middle, four up. */
const model = { skips: 4 }

const declarations: readonly Declaration[] = [
  { ...shared, eager: { interval: 3 } },
  { ...shared, variant: 'U-Net, branch 0', eager: { interval: 3 }, model },
  { ...shared, variant: 'U-Net, branch 2', eager: { interval: 2, branch: 2 }, model },
]

export default declarations
