/** From a model's parametrisation to the sigmas of one run, as ComfyUI's KSampler computes them. */
import type { DiscreteParametrisation, FlowParametrisation, Parametrisation } from './families/contract.ts'
import { discreteSigmas } from './prediction.ts'
import type { NoiseLevels, Sampler, Schedule } from './sampling-types.ts'

/**
 * Time shift of flow models: s t / (1 + (s - 1) t). ComfyUI's ModelSamplingDiscreteFlow takes s itself; ModelSamplingFlux
 * and diffusers' dynamic shifting take mu with s = exp(mu).
 */
export const timeShift = (shift: number, time: number): number => (shift * time) / (1 + (shift - 1) * time)

function flowLevels({ shift, trainSteps }: FlowParametrisation): NoiseLevels {
  const at = (time: number): number => timeShift(shift, time)
  const table = Float64Array.from({ length: trainSteps }, (_, i) => at((i + 1) / trainSteps))
  // ComfyUI takes the sigmas of the range's ends as times again, so a shifted model is shifted twice at the low end.
  return { table, at, ends: [table[trainSteps - 1]!, table[0]!] }
}

/** Between two training levels the logarithm of sigma goes straight, as in k-diffusion and ComfyUI. */
function discreteLevels(parametrisation: DiscreteParametrisation): NoiseLevels {
  const { trainSteps } = parametrisation
  const table = discreteSigmas(parametrisation)
  const at = (time: number): number => {
    const place = Math.min(trainSteps - 1, Math.max(0, time * trainSteps - 1))
    const below = Math.floor(place)
    const [low, high] = [table[below]!, table[Math.min(trainSteps - 1, below + 1)]!]
    return low * (high / low) ** (place - below)
  }
  return { table, at, ends: [1, 1 / trainSteps] }
}

/** The training noise levels of a model. */
export const noiseLevels = (parametrisation: Parametrisation): NoiseLevels =>
  parametrisation.kind === 'flow' ? flowLevels(parametrisation) : discreteLevels(parametrisation)

/** Rounded to float32, as ComfyUI hands sigmas on; a rounding error above 1 goes with it. */
const falling = (sigmas: readonly number[]): number[] =>
  sigmas.map(Math.fround).filter((sigma, i, all) => i === 0 || sigma < all[i - 1]!)

/** The schedule's sigmas or, for samplers that leave out the last level above 0, those of one step more without it. */
function levelsFor(
  { skipsPenultimate }: Pick<Sampler, 'skipsPenultimate'>,
  schedule: Schedule,
  steps: number,
  levels: NoiseLevels,
) {
  if (!skipsPenultimate) return schedule.sigmas(steps, levels)
  const sigmas = schedule.sigmas(steps + 1, levels)
  return [...sigmas.slice(0, -2), ...sigmas.slice(-1)]
}

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
  sampler: Pick<Sampler, 'skipsPenultimate'> = {},
): readonly number[] {
  const levels = noiseLevels(parametrisation)
  if (denoise > 0.9999) return falling(levelsFor(sampler, schedule, steps, levels))
  if (denoise <= 0) return []
  return falling(levelsFor(sampler, schedule, Math.trunc(steps / denoise), levels).slice(-(steps + 1)))
}
