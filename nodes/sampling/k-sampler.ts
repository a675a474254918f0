/** KSampler: denoises a latent, with or without a caching method. */
import type { LatentFormat } from '../../diffusion/families/contract.ts'
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { latentPreview } from '../../diffusion/preview.ts'
import { normalNoise } from '../../diffusion/random.ts'
import { samplers, schedules } from '../../diffusion/registry.ts'
import { sample } from '../../diffusion/sampling.ts'
import { zeros, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode, type Reporter } from '../define.ts'
import { port } from '../ports.ts'
import { choice, float, int, seed } from '../spec.ts'

/** Least time between two previews, in milliseconds. */
const PREVIEW_INTERVAL = 100

/** Gives blank latents the channels of the model; refuses encoded ones of another autoencoder. */
function fitChannels(latent: Tensor, format: LatentFormat, model: string): Tensor {
  const [batch = 1, channels, ...rest] = latent.shape
  if (channels === format.channels) return latent
  if (latent.data.every((value) => value === 0)) return zeros([batch, format.channels, ...rest])
  throw new Error(
    `KSampler, latent_image: the latent has ${channels ?? 0} channels, ${model} takes ${format.channels}. Encode it with the VAE of the same checkpoint.`,
  )
}

/** Sends a preview of the predicted clean latent at most every PREVIEW_INTERVAL. */
function previewer(format: LatentFormat, report: Reporter): (denoised: Tensor) => void {
  let last = -Infinity
  return (denoised) => {
    const now = performance.now()
    if (now - last < PREVIEW_INTERVAL) return
    last = now
    const picture = latentPreview(denoised, format)
    if (picture) report.preview(picture.rgb, picture.width, picture.height)
  }
}

export default defineNode({
  type: 'KSampler',
  category: 'sampling',
  title: 'KSampler',
  help: 'Denoises a latent step by step. The same seed gives the same noise as ComfyUI.',
  inputs: {
    model: port('MODEL'),
    seed: seed({ help: 'Chooses the starting noise.' }),
    steps: int({ default: 30, min: 1, max: 10000, help: 'More steps follow the model more closely and take longer.' }),
    cfg: float({
      default: 3,
      min: 0,
      max: 100,
      step: 0.1,
      round: 0.01,
      help: 'Guidance: how strongly the prompt pulls. 1 leaves out the negative prompt and halves the work.',
    }),
    sampler_name: choice([...samplers.keys()], {
      default: 'euler',
      help: 'How the model is integrated; heun evaluates it twice a step.',
    }),
    scheduler: choice([...schedules.keys()], { default: 'simple', help: 'How the noise levels are spaced.' }),
    positive: port('CONDITIONING', { help: 'What the picture should show.' }),
    negative: port('CONDITIONING', { help: 'What guidance steers away from.' }),
    latent_image: port('LATENT', { help: 'Blank for text-to-image, encoded for image-to-image.' }),
    denoise: float({
      default: 1,
      min: 0,
      max: 1,
      step: 0.01,
      help: 'Below 1 keeps that much of the latent: image-to-image.',
    }),
    cache: port('CACHE', { optional: true, help: 'A caching method that decides what need not be computed.' }),
  },
  outputs: { LATENT: 'LATENT', report: 'CACHE_REPORT' },
  async run(values, { report, signal }) {
    const { model } = values
    const latent = fitChannels(values.latent_image.samples, model.latent, model.name)
    const [sampler, schedule] = [samplers.get(values.sampler_name)!, schedules.get(values.scheduler)!]
    const sigmas = runSigmas(schedule, values.steps, values.denoise, model.parametrisation)
    const preview = previewer(model.latent, report)
    const result = await sample({
      model,
      positive: values.positive,
      negative: values.negative,
      guidance: values.cfg,
      latent,
      noise: normalNoise(values.seed, latent.shape),
      sigmas,
      sampler,
      cache: values.cache ?? null,
      signal,
      onRows: (rows, plan) => report.cacheRows(rows, plan),
      onStep(done, total, denoised) {
        report.progress(done, total)
        preview(denoised)
      },
    })
    report.sampled(result.report)
    result.report.warnings.forEach((warning) => report.warn(warning))
    return { LATENT: { samples: result.samples }, report: result.report }
  },
})
