/** The published DiCache loop for FLUX, in the words of its code, as settings of the node. */
import { configure } from '../../../diffusion/caching/contract.ts'
import type { PublishedLoop } from '../../../diffusion/check/shared/cache-loop.ts'
import { dicache } from '../dicache.ts'

const loop: PublishedLoop = {
  matches: (about) => 'error_choice' in about,
  configured: (about) =>
    configure(dicache, {
      preset: 'custom',
      enabled: true,
      threshold: Number(about['rel_l1_thresh']),
      warm_up: Number(about['ret_ratio']),
      probe_depth: Number(about['probe_depth']),
      history: 2,
      drift: about['error_choice'] === 'delta_minus' ? 'probe - input' : 'probe',
      decide: 'per branch',
      force_last: true,
      max_gain: (about['gamma_clip'] as readonly number[])[1]!,
      start: 0,
      end: 1,
    }),
  // 0 where an evaluation was computed by force.
  measured: (rows) => ({
    error: rows.map(({ drift }) => drift ?? 0),
    accumulated: rows.map(({ accumulated }) => accumulated ?? 0),
    gamma: rows.flatMap(({ gain }) => (gain === undefined ? [] : [gain])),
  }),
}

export default loop
