/** DisableNoise: no starting noise. */
import { defineNode } from '../define.ts'
import { noNoise } from '../sampling-run.ts'

export default defineNode({
  type: 'DisableNoise',
  category: 'sampling',
  title: 'DisableNoise',
  help: 'For a latent that another sampler left with its noise.',
  inputs: {},
  outputs: { NOISE: 'NOISE' },
  run: () => ({ NOISE: noNoise() }),
})
