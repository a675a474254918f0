/** The inputs that every node which samples has in common, and the sampling run that they describe. */
import type { LatentFormat } from '../diffusion/families/contract.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { latentPreview } from '../diffusion/preview.ts'
import { normalNoise } from '../diffusion/random.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import type { SamplingRun } from '../diffusion/sampling-types.ts'
import { zeros, type Tensor } from '../diffusion/tensor.ts'
import type { Reporter } from './define.ts'
import { port } from './ports.ts'
import { choice, float, int, seed, type Values } from './spec.ts'

/** Least time between two previews, in milliseconds. */
const PREVIEW_INTERVAL = 100

/** ComfyUI's KSampler's, in its order. */
export const samplingInputs = {
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
}

/** Gives blank latents the channels of the model; refuses encoded ones of another autoencoder. */
function fitChannels(latent: Tensor, format: LatentFormat, model: string): Tensor {
  const [batch = 1, channels, ...rest] = latent.shape
  if (channels === format.channels) return latent
  if (latent.data.every((value) => value === 0)) return zeros([batch, format.channels, ...rest])
  throw new Error(
    `latent_image: the latent has ${channels ?? 0} channels, ${model} takes ${format.channels}. Encode it with the VAE of the same checkpoint.`,
  )
}

/** The run without what differs between runs of the same settings: the cache, the signal and who watches. */
export function samplingRun(values: Values<typeof samplingInputs>) {
  const { model } = values
  const latent = fitChannels(values.latent_image.samples, model.latent, model.name)
  const [sampler, schedule] = [samplers.get(values.sampler_name)!, schedules.get(values.scheduler)!]
  return {
    model,
    positive: values.positive,
    negative: values.negative,
    guidance: values.cfg,
    latent,
    noise: normalNoise(values.seed, latent.shape),
    sigmas: runSigmas(schedule, values.steps, values.denoise, model.parametrisation),
    sampler,
  } satisfies Partial<SamplingRun>
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

/**
 * What a run tells the node's reporter while it goes on. A node that samples several times says how many steps of how many
 * lie `before` this run.
 */
export function watched(
  format: LatentFormat,
  report: Reporter,
  among: { readonly before: number; readonly all: number } | null = null,
): Pick<SamplingRun, 'onRows' | 'onStep'> {
  const preview = previewer(format, report)
  return {
    onRows: (rows, plan) => report.cacheRows(rows, plan),
    onStep(done, total, denoised) {
      report.progress((among?.before ?? 0) + done, among?.all ?? total)
      preview(denoised)
    },
  }
}
