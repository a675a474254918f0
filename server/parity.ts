/** The parity checks of the whole program: what `diffusion/check` knows, and the cache loops of the caching nodes. */
import { configure } from '../diffusion/caching/contract.ts'
import { checkCase } from '../diffusion/check/index.ts'
import { cacheLoopChecker } from '../diffusion/check/shared/cache-loop.ts'
import type { CheckResult } from '../diffusion/check/shared/contract.ts'
import { dicache } from '../nodes/caching/dicache.ts'

const cacheLoops = cacheLoopChecker(({ threshold, retained, drift, probeDepth, maxGain }) =>
  configure(dicache, {
    preset: 'custom',
    enabled: true,
    threshold,
    warm_up: retained,
    probe_depth: probeDepth,
    history: 2,
    drift,
    decide: 'per branch',
    force_last: true,
    max_gain: maxGain,
    start: 0,
    end: 1,
  }),
)

/** Checks one case folder of any kind; never throws for a bad one. `unsupported` results count neither way. */
export const checkFolder = (dir: string): Promise<readonly CheckResult[]> => checkCase(dir, [cacheLoops])
