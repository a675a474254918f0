/** What a model takes at a noise level, and what its prediction says of the clean latent, by its parametrisation. */
import type { DiscreteParametrisation, Parametrisation } from './families/contract.ts'
import { axpy, scale, zip, type Tensor } from './tensor.ts'

/** Noise level of each training step, rising: sqrt((1 - a) / a) (Karras et al. 2022, table 1, variance-preserving). */
export const discreteSigmas = ({ alphas }: DiscreteParametrisation): Float64Array =>
  alphas.map((alpha) => Math.sqrt((1 - alpha) / alpha))

/** Place of `sigma` among rising sigmas, between them by its logarithm; the ends for what lies outside. */
export function placeOf(sigmas: Float64Array, sigma: number): number {
  const last = sigmas.length - 1
  if (sigma <= sigmas[0]!) return 0
  if (sigma >= sigmas[last]!) return last
  let [low, high] = [0, last]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (sigmas[middle]! <= sigma) low = middle
    else high = middle
  }
  const [below, above] = [Math.log(sigmas[low]!), Math.log(sigmas[high]!)]
  return low + (Math.log(sigma) - below) / (above - below)
}

/** The conversions of one model. */
export interface Prediction {
  /** The time that the model is told, in training steps. */
  timestep(sigma: number): number
  /** The latent as the model takes it. */
  input(latent: Tensor, sigma: number): Tensor
  /** The clean latent that a prediction at `latent` (as the sampler has it) stands for. */
  denoised(latent: Tensor, prediction: Tensor, sigma: number): Tensor
  /** The state at `sigma` of a clean latent and unit noise. */
  noised(clean: Tensor, noise: Tensor, sigma: number): Tensor
  /** The state that a run from `sigma` begins with. */
  begun(clean: Tensor, noise: Tensor, sigma: number): Tensor
  /** A state that was left at `sigma`, its clean part at its own scale. */
  left(latent: Tensor, sigma: number): Tensor
}

const flowNoised = (clean: Tensor, noise: Tensor, sigma: number): Tensor =>
  zip(clean, noise, (c, n) => sigma * n + (1 - sigma) * c)

const flowPrediction = (trainSteps: number): Prediction => ({
  timestep: (sigma) => sigma * trainSteps,
  input: (latent) => latent,
  denoised: (latent, velocity, sigma) => axpy(latent, -sigma, velocity),
  noised: flowNoised,
  begun: flowNoised,
  // As ComfyUI does.
  left: (latent, sigma) => (sigma === 0 ? latent : scale(latent, 1 / (1 - sigma))),
})

/** x = clean + sigma noise; the model takes x / sqrt(sigma^2 + 1), as it was trained on. */
function discretePrediction(parametrisation: DiscreteParametrisation): Prediction {
  const sigmas = discreteSigmas(parametrisation)
  const highest = sigmas[sigmas.length - 1]! * (1 - 1e-5)
  const isV = parametrisation.kind === 'v'
  return {
    timestep: (sigma) => placeOf(sigmas, sigma),
    input: (latent, sigma) => scale(latent, 1 / Math.sqrt(sigma ** 2 + 1)),
    // v = (noise - sigma clean) / sqrt(sigma^2 + 1) (Salimans and Ho 2022, appendix D, in terms of sigma).
    denoised: (latent, prediction, sigma) =>
      isV
        ? axpy(scale(latent, 1 / (sigma ** 2 + 1)), -sigma / Math.sqrt(sigma ** 2 + 1), prediction)
        : axpy(latent, -sigma, prediction),
    noised: (clean, noise, sigma) => axpy(clean, sigma, noise),
    // At the top of the training range ComfyUI gives the noise the variance that the model's input then has.
    begun: (clean, noise, sigma) => axpy(clean, sigma >= highest ? Math.sqrt(1 + sigma ** 2) : sigma, noise),
    left: (latent) => latent,
  }
}

/** How predictions of a model with this parametrisation are to be read. */
export const predictionOf = (parametrisation: Parametrisation): Prediction =>
  parametrisation.kind === 'flow' ? flowPrediction(parametrisation.trainSteps) : discretePrediction(parametrisation)
