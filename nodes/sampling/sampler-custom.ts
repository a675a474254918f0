/** SamplerCustom: a sampler and noise levels of one's own, guided by a positive and a negative prompt. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { cacheInput, noNoise, randomNoise } from '../sampling-run.ts'
import { float, seed, toggle } from '../spec.ts'
import { runNode } from './running/run.ts'

export default defineNode({
  type: 'SamplerCustom',
  category: 'sampling',
  title: 'SamplerCustom',
  help: 'Samples with the given sampler over the given noise levels.',
  inputs: {
    model: port('MODEL'),
    add_noise: toggle({ default: true, help: 'Off for a latent that another sampler left with its noise.' }),
    noise_seed: seed({ help: 'Chooses the starting noise.' }),
    cfg: float({
      default: 8,
      min: 0,
      max: 100,
      step: 0.1,
      round: 0.01,
      help: 'Guidance; 1 leaves out the negative prompt and halves the work.',
    }),
    positive: port('CONDITIONING'),
    negative: port('CONDITIONING'),
    sampler: port('SAMPLER'),
    sigmas: port('SIGMAS'),
    latent_image: port('LATENT'),
    cache: cacheInput,
  },
  outputs: { output: 'LATENT', denoised_output: 'LATENT', report: 'CACHE_REPORT' },
  async run({ model, positive, negative, cfg, add_noise, noise_seed, latent_image, ...given }, context) {
    const { output, denoised, report } = await runNode(
      {
        ...given,
        guider: { model, positive, negative, guidance: cfg },
        noise: (add_noise ? randomNoise : noNoise)(noise_seed),
        latent: latent_image,
      },
      context,
    )
    return { output, denoised_output: denoised, report }
  },
})
