/** DiCache: the shared rules of caches. */
import { configure } from '../../../diffusion/caching/contract.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import { conformance } from '../../diffusion/caching/conformance.ts'
import { knobs } from './scripted.ts'

const eager = { ...knobs, threshold: 0.15, warm_up: 0 }
const at = (settings: Partial<typeof knobs>) => configure(dicache, { ...eager, ...settings })

for (const history of [1, 2, 4])
  conformance({
    name: `DiCache with a history of ${history}`,
    forbidding: {
      'threshold 0': at({ threshold: 0 }),
      'threshold 0 under a preset': at({ threshold: 0, preset: 'official-flux' }),
      disabled: at({ enabled: false }),
      'a threshold nothing is below': at({ threshold: 1e-9 }),
    },
    eager: at({ history }),
    inWindow: (start, end) => at({ history, start, end }),
    demanding: at({ probe_depth: 3 }),
  })
