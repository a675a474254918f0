/** From a model's parametrisation to the sigmas of one run, as ComfyUI's KSampler computes them. */
import type { Parametrisation } from './families/contract.ts'
import type { NoiseLevels, Schedule } from './sampling-types.ts'

/**
 * Time shift of flow models: s t / (1 + (s - 1) t). ComfyUI's ModelSamplingDiscreteFlow takes s itself; ModelSamplingFlux
 * and diffusers' dynamic shifting take mu with s = exp(mu).
 */
export const timeShift = (shift: number, time: number): number => (shift * time) / (1 + (shift - 1) * time)

/** The training noise levels of a flow model. */
export function noiseLevels({ shift, trainSteps }: Parametrisation): NoiseLevels {
  const at = (time: number): number => timeShift(shift, time)
  return { table: Float64Array.from({ length: trainSteps }, (_, i) => at((i + 1) / trainSteps)), at }
}

/** Rounded to float32, as ComfyUI hands sigmas on; a rounding error above 1 goes with it. */
const falling = (sigmas: readonly number[]): number[] =>
  sigmas.map(Math.fround).filter((sigma, i, all) => i === 0 || sigma < all[i - 1]!)

/**
 * Falling sigmas of one run of `steps` steps. With `denoise` below 1 (img2img) the schedule is made for steps / denoise
 * steps and its last `steps + 1` values are taken; 0 gives none, and the sampler then returns its latent as it is. Where more
 * steps are asked for than the model has levels, equal neighbours are left out: a step between them would do nothing.
 */
export function runSigmas(
  schedule: Schedule,
  steps: number,
  denoise: number,
  parametrisation: Parametrisation,
): readonly number[] {
  const levels = noiseLevels(parametrisation)
  if (denoise > 0.9999) return falling(schedule.sigmas(steps, levels))
  if (denoise <= 0) return []
  return falling(schedule.sigmas(Math.trunc(steps / denoise), levels).slice(-(steps + 1)))
}
