/** What every node that samples has in common: KSampler's inputs, how a latent is made ready for a model, and who watches a run. */
import type { LatentFormat } from '../diffusion/families/contract.ts'
import { rescaled } from '../diffusion/families/vae/scaling.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { latentPreview, latentSketch, type Picture } from '../diffusion/preview.ts'
import { noiseByDraw, normalNoise } from '../diffusion/random.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import { resize } from '../diffusion/resize.ts'
import type { SamplingRun } from '../diffusion/sampling-types.ts'
import { tensor, zeros, type Tensor } from '../diffusion/tensor.ts'
import type { Reporter } from './define.ts'
import { port, type Guider, type Latent, type NoiseSource } from './ports.ts'
import { choice, float, int, seed, type Values } from './spec.ts'

/** Least time between two previews, in milliseconds. */
const PREVIEW_INTERVAL = 100

/** The samplers and schedules by name, as inputs. */
export const samplerName = choice([...samplers.keys()], {
  default: 'euler',
  help: 'How the model is integrated; heun, dpm_2 and others evaluate it twice a step, ancestral and sde add noise of their own.',
})
export const schedulerName = choice([...schedules.keys()], {
  default: 'simple',
  help: 'How the noise levels are spaced.',
})

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
  sampler_name: samplerName,
  scheduler: schedulerName,
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

/** The cache that a sampler may be given. */
export const cacheInput = port('CACHE', {
  optional: true,
  help: 'A caching method that decides what need not be computed. It comes before one that the model carries (ApplyCache, EasyCache, LazyCache).',
})

/** A seed's noise, as ComfyUI's RandomNoise gives it. */
export const randomNoise = (of: bigint): NoiseSource => ({
  seed: of,
  noiseFor: ({ samples, batch_index }) =>
    batch_index ? noiseByDraw(of, samples.shape, batch_index) : normalNoise(of, samples.shape),
})

/** No noise to start from. */
export const noNoise = (of = 0n): NoiseSource => ({ seed: of, noiseFor: ({ samples }) => zeros(samples.shape) })

/** Gives blank latents the channels, and the frames, of the model; refuses encoded ones of another autoencoder. */
function fitBlank(latent: Tensor, format: LatentFormat, model: string): Tensor {
  const [batch = 1, channels, ...rest] = latent.shape
  const needsFrames = format.temporalFactor !== undefined && rest.length === 2
  if (channels === format.channels && !needsFrames) return latent
  if (latent.data.every((value) => value === 0))
    return zeros([batch, format.channels, ...(needsFrames ? [1] : []), ...rest])
  throw new Error(
    `latent_image: the latent is [${latent.shape.join(', ')}], ${model} takes ${format.channels} channels${needsFrames ? ' and frames' : ''}. Encode it with the VAE of the same checkpoint.`,
  )
}

/** A latent as `model` takes it: its channels, its scaling. */
export function fitLatent(latent: Latent, { latent: format, name }: Guider['model']): Latent {
  const fitted = fitBlank(latent.samples, format, name)
  const samples = latent.scaling && format.scaling ? rescaled(fitted, latent.scaling, format.scaling) : fitted
  return { ...latent, samples, ...(format.scaling ? { scaling: format.scaling } : {}) }
}

/** A mask [b, H, W] for samples [B, C, (F,) h, w]: resized to h x w, the same for all channels and frames, repeated over the batch. */
function maskFor(mask: Tensor, { shape }: Tensor): Tensor {
  const batch = shape[0] ?? 1
  const [height, width] = shape.slice(-2) as [number, number]
  const masks = mask.data.length / ((mask.shape.at(-2) ?? 1) * (mask.shape.at(-1) ?? 1))
  const pictures = tensor(mask.data, [masks, ...mask.shape.slice(-2), 1])
  const { data } = resize(pictures, height, width, { kernel: 'bilinear', antialias: false })
  const out = zeros(shape)
  const [plane, planes] = [height * width, out.data.length / (batch * height * width)]
  for (let i = 0; i < batch * planes; i++) {
    const from = (Math.floor(i / planes) % masks) * plane
    out.data.set(data.subarray(from, from + plane), i * plane)
  }
  return out
}

/** What a run begins with: a fitted latent, its noise, and the mask that it carries. */
export function startOf(latent: Latent, noise: NoiseSource) {
  const mask = latent.noise_mask
  return {
    latent: latent.samples,
    noise: noise.noiseFor(latent),
    seed: noise.seed,
    ...(mask ? { mask: maskFor(mask, latent.samples) } : {}),
  } satisfies Partial<SamplingRun>
}

/** The run without what differs between runs of the same settings: the cache, the signal and who watches. */
export function samplingRun(values: Values<typeof samplingInputs>) {
  const { model } = values
  const [sampler, schedule] = [samplers.get(values.sampler_name)!, schedules.get(values.scheduler)!]
  return {
    model,
    positive: values.positive,
    negative: values.negative,
    guidance: values.cfg,
    ...startOf(fitLatent(values.latent_image, model), randomNoise(values.seed)),
    sigmas: runSigmas(schedule, values.steps, values.denoise, model.parametrisation, sampler),
    sampler,
  } satisfies Partial<SamplingRun>
}

/** Share of the time that a small autoencoder's previews may take. */
const PREVIEW_SHARE = 0.1

/**
 * Sends a preview of the predicted clean latent at most every PREVIEW_INTERVAL: a small autoencoder's where the model has one and as far as
 * PREVIEW_SHARE of the time allows, else the linear map's.
 */
function previewer(format: LatentFormat, report: Reporter): (denoised: Tensor) => void {
  let last = -Infinity
  let sketching = false
  /** What the last sketch took, in milliseconds; Infinity once one has failed. */
  let cost = 0
  const send = (picture: Picture | null): void => {
    if (picture) report.preview(picture.rgb, picture.width, picture.height)
  }
  const sketch = async (denoised: Tensor): Promise<void> => {
    const began = performance.now()
    sketching = true
    try {
      send(await latentSketch(denoised, format))
      cost = performance.now() - began
    } catch (error) {
      cost = Infinity
      report.warn(`previews go on without the small autoencoder: ${(error as Error).message}`)
    }
    last = performance.now()
    sketching = false
  }
  return (denoised) => {
    const now = performance.now()
    if (sketching || now - last < PREVIEW_INTERVAL) return
    if (format.sketch && cost < Infinity) {
      if (now - last >= cost / PREVIEW_SHARE) void sketch(denoised)
      return
    }
    last = now
    send(latentPreview(denoised, format))
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
): Required<Pick<SamplingRun, 'onRows' | 'onStep'>> {
  const preview = previewer(format, report)
  return {
    onRows: (rows, plan) => report.cacheRows(rows, plan),
    onStep(done, total, denoised) {
      report.progress((among?.before ?? 0) + done, among?.all ?? total)
      preview(denoised)
    },
  }
}
