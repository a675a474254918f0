/** Classifier-free guidance: one denoise function out of the predictions that every sample's evaluator makes for its branches. */
import type { Branch, Call, Evaluated } from '../caching/contract.ts'
import type { ReportRow } from '../caching/report-types.ts'
import type { Spent } from '../accounting.ts'
import type { Prediction } from '../prediction.ts'
import type { Denoise } from '../sampling-types.ts'
import { lerp, row, zeros, type Tensor } from '../tensor.ts'

/** Answers one evaluation of one sample. */
export type Evaluator = (call: Call) => Promise<ReadonlyMap<Branch, Evaluated>>

export interface Guidance {
  /** One per row of the batch. */
  readonly evaluators: readonly Evaluator[]
  /** The scale g of v = uncond + g (cond - uncond); 1 evaluates the conditional branch only. */
  readonly scale: number
  /** Noise levels of the run, falling. */
  readonly sigmas: readonly number[]
  /** How the model's predictions are to be read. */
  readonly prediction: Prediction
  /** Evaluations the run will make. */
  readonly total: number
  spent(call: Call, branch: Branch): Spent
  /** The rows of one evaluation, by sample, then branch. */
  onRows(rows: readonly ReportRow[]): void
}

/** The branches that a guidance scale asks for. */
export const branchesFor = (scale: number): readonly Branch[] => (scale === 1 ? ['cond'] : ['cond', 'uncond'])

function combine(evaluated: ReadonlyMap<Branch, Evaluated>, scale: number): Tensor {
  const [cond, uncond] = [evaluated.get('cond')?.prediction, evaluated.get('uncond')?.prediction]
  if (!cond) throw new Error("guidance: the evaluator gave no 'cond' prediction")
  return uncond ? lerp(uncond, cond, scale) : cond
}

const toRow = (call: Call, branch: Branch, { trace }: Evaluated, spent: Spent): ReportRow => ({
  ...trace,
  ...spent,
  evaluation: call.index,
  sample: call.sample,
  branch,
  sigma: call.sigma,
})

/** One prediction per sample as one batch, shaped like the latent. */
function stacked({ shape }: Tensor, predictions: readonly Tensor[]): Tensor {
  if (predictions.length === 1) return predictions[0]!
  const all = zeros(shape)
  predictions.forEach(({ data }, i) => all.data.set(data, i * data.length))
  return all
}

/** Denoises a batch of latents [B, C, H, W]; all samples are evaluated at the same time, each by its own evaluator. */
export function guided(guidance: Guidance): Denoise {
  const { evaluators, scale, sigmas, total, prediction } = guidance
  const branches = branchesFor(scale)
  let index = 0
  return async (latent, sigma) => {
    const at = { sigma, timestep: prediction.timestep(sigma), progress: 1 - sigma / sigmas[0]! }
    const input = prediction.input(latent, sigma)
    const calls = evaluators.map((_, sample): Call => {
      return { index, total, ...at, sigmas, guidance: scale, latent: row(input, sample), sample, branches }
    })
    index++
    const answers = await Promise.all(evaluators.map((evaluate, sample) => evaluate(calls[sample]!)))
    guidance.onRows(
      answers.flatMap((evaluated, i) => {
        const call = calls[i]!
        return [...evaluated].map(([branch, one]) => toRow(call, branch, one, guidance.spent(call, branch)))
      }),
    )
    const predictions = answers.map((evaluated) => combine(evaluated, scale))
    return prediction.denoised(latent, stacked(latent, predictions), sigma)
  }
}
