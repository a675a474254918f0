/** SamplerCustomAdvanced: samples with noise, guider, sampler and noise levels of one's own. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { cacheInput } from '../sampling-run.ts'
import { runNode } from './running/run.ts'

export default defineNode({
  type: 'SamplerCustomAdvanced',
  category: 'sampling',
  title: 'SamplerCustomAdvanced',
  help: 'Samples with parts of your own. The caching method is the one wired here, or else the one that the model of the guider carries.',
  inputs: {
    noise: port('NOISE'),
    guider: port('GUIDER'),
    sampler: port('SAMPLER'),
    sigmas: port('SIGMAS'),
    latent_image: port('LATENT'),
    cache: cacheInput,
  },
  outputs: { output: 'LATENT', denoised_output: 'LATENT', report: 'CACHE_REPORT' },
  async run({ latent_image, ...given }, context) {
    const { output, denoised, report } = await runNode({ ...given, latent: latent_image }, context)
    return { output, denoised_output: denoised, report }
  },
})
