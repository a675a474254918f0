/** What DeepCache on a U-Net has to give, retold without caches: every unit runs at every step, and one tensor is exchanged. */
import type { Conditioning, DiffusionModel, Rows } from '../../../diffusion/families/contract.ts'
import { predictionOf } from '../../../diffusion/prediction.ts'
import { lerp, tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'

export interface Retold {
  readonly model: DiffusionModel
  readonly positive: Conditioning
  readonly negative: Conditioning
  /** [1, C, H, W]. */
  readonly noise: Tensor
  readonly sigmas: readonly number[]
  readonly guidance: number
  /** The skip tensor whose layer on the way up is entered by an old feature. */
  readonly branch: number
  readonly isFull: (step: number) => boolean
}

/** Plain guided Euler steps; where `isFull` says no, what enters the layer that takes skip tensor `branch` is what entered it at the last full step. */
export async function withReplacedFeatures(given: Retold): Promise<Tensor> {
  const { model, noise, sigmas, guidance, branch, isFull } = given
  const { transformer, parametrisation } = model
  const entry = transformer.facts.depth - 1 - branch
  const prediction = predictionOf(parametrisation)
  const shape = noise.shape.slice(1)
  const prepared = [await transformer.prepare(given.positive, shape), await transformer.prepare(given.negative, shape)]
  const features: (Tensor | undefined)[] = [undefined, undefined]
  const predict = async (latent: Tensor, sigma: number, step: number, which: number): Promise<Tensor> => {
    const { rows, shared } = prepared[which]!
    const part = (kind: 'embed' | 'head', from: Rows) => transformer.run({ kind }, from, shared)
    const units = (from: number, to: number, state: Rows) =>
      transformer.run({ kind: 'blocks', from, to }, state, shared)
    const timestep = tensor(Float32Array.of(prediction.timestep(sigma)), [1])
    const embedded = await part('embed', { ...rows, latent: prediction.input(latent, sigma), timestep })
    const entering = await units(0, entry, embedded)
    if (isFull(step)) features[which] = entering['image']!
    const end = await units(entry, transformer.facts.depth, { ...entering, image: features[which]! })
    return (await part('head', end))['prediction']!
  }
  let x = prediction.begun(zeros(noise.shape), noise, sigmas[0]!)
  for (let step = 0; step + 1 < sigmas.length; step++) {
    const [now, next] = [sigmas[step]!, sigmas[step + 1]!]
    const cond = await predict(x, now, step, 0)
    const guided = guidance === 1 ? cond : lerp(await predict(x, now, step, 1), cond, guidance)
    x = lerp(prediction.denoised(x, guided, now), x, next / now)
  }
  return x
}
