/** KSampler: denoises a latent, with or without a caching method. */
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { samplers, schedules } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { cacheInput, randomNoise, samplingInputs } from '../sampling-run.ts'
import { runNode } from './running/run.ts'

export default defineNode({
  type: 'KSampler',
  category: 'sampling',
  title: 'KSampler',
  help: 'Denoises a latent step by step. The same seed gives the same noise as ComfyUI.',
  inputs: { ...samplingInputs, cache: cacheInput },
  outputs: { LATENT: 'LATENT', report: 'CACHE_REPORT' },
  async run({ model, positive, negative, cfg, latent_image, cache, ...settings }, context) {
    const [sampler, schedule] = [samplers.get(settings.sampler_name)!, schedules.get(settings.scheduler)!]
    const { output, report } = await runNode(
      {
        guider: { model, positive, negative, guidance: cfg },
        sampler,
        sigmas: runSigmas(schedule, settings.steps, settings.denoise, model.parametrisation, sampler),
        noise: randomNoise(settings.seed),
        latent: latent_image,
        cache,
      },
      context,
    )
    return { LATENT: output, report }
  },
})
