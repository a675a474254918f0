/** FlipSigmas: noise levels from clean to noisy, to take a picture back to its noise. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

/** Where rising levels begin instead of at 0, at which no slope is defined. */
const NEARLY_CLEAN = 0.0001

export default defineNode({
  type: 'FlipSigmas',
  category: 'sampling',
  title: 'FlipSigmas',
  help: 'The same noise levels in rising order; a 0 at the front becomes 0.0001.',
  inputs: { sigmas: port('SIGMAS') },
  outputs: { SIGMAS: 'SIGMAS' },
  run: ({ sigmas }) => ({
    SIGMAS: [...sigmas].reverse().map((sigma, i) => (i === 0 && sigma === 0 ? Math.fround(NEARLY_CLEAN) : sigma)),
  }),
})
