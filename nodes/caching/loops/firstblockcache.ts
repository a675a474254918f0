/** The First-Block-Cache loop of diffusers' hook for FLUX as settings of the node. */
import { configure } from '../../../diffusion/caching/contract.ts'
import type { PublishedLoop } from '../../../diffusion/check/shared/cache-loop.ts'
import { firstBlockCache } from '../firstblockcache.ts'

const loop: PublishedLoop = {
  matches: (about) => 'threshold' in about && 'decisions' in about,
  configured: (about) =>
    configure(firstBlockCache, {
      preset: 'custom',
      enabled: true,
      threshold: Number(about['threshold']),
      warm_up: 0,
      max_in_a_row: 0,
      force_last: false,
      start: 0,
      end: 1,
      forecast: 0,
      forecast_axis: 'calls',
      forecast_reach: 0,
    }),
  // The first evaluation has nothing to compare with.
  measured: (rows) => ({ rel_diff: rows.map(({ drift }) => drift ?? -1) }),
}

export default loop
