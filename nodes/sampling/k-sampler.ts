/** KSampler: denoises a latent, with or without a caching method. */
import { sample } from '../../diffusion/sampling.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { samplingInputs, samplingRun, watched } from '../sampling-run.ts'

export default defineNode({
  type: 'KSampler',
  category: 'sampling',
  title: 'KSampler',
  help: 'Denoises a latent step by step. The same seed gives the same noise as ComfyUI.',
  inputs: {
    ...samplingInputs,
    cache: port('CACHE', {
      optional: true,
      help: 'A caching method that decides what need not be computed. It comes before one that the model carries (ApplyCache, EasyCache, LazyCache).',
    }),
  },
  outputs: { LATENT: 'LATENT', report: 'CACHE_REPORT' },
  async run(values, { report, signal }) {
    const result = await sample({
      ...samplingRun(values),
      ...watched(values.model.latent, report),
      cache: values.cache ?? null,
      signal,
    })
    report.sampled(result.report)
    result.report.warnings.forEach((warning) => report.warn(warning))
    return { LATENT: { samples: result.samples }, report: result.report }
  },
})
