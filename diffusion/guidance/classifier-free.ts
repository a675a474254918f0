/** Classifier-free guidance: one denoise function out of the predictions that every sample's evaluator makes for its branches. */
import type { Branch, Call, Evaluated } from '../caching/contract.ts'
import type { ReportRow } from '../caching/report-types.ts'
import type { Spent } from '../accounting.ts'
import type { Denoise } from '../sampling-types.ts'
import { axpy, lerp, row, zeros, type Tensor } from '../tensor.ts'

/** Answers one evaluation of one sample. */
export type Evaluator = (call: Call) => Promise<ReadonlyMap<Branch, Evaluated>>

export interface Guidance {
  /** One per row of the batch. */
  readonly evaluators: readonly Evaluator[]
  /** The scale g of v = uncond + g (cond - uncond); 1 evaluates the conditional branch only. */
  readonly scale: number
  /** Noise levels of the run, falling. */
  readonly sigmas: readonly number[]
  /** The time that the model is told at a noise level, in training steps. */
  timestep(sigma: number): number
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

/** Stacks one velocity per sample and steps to the clean latent: x - sigma v. */
function denoisedFrom(latent: Tensor, velocities: readonly Tensor[], sigma: number): Tensor {
  if (velocities.length === 1) return axpy(latent, -sigma, velocities[0]!)
  const all = zeros(latent.shape)
  velocities.forEach((velocity, i) => all.data.set(velocity.data, i * velocity.data.length))
  return axpy(latent, -sigma, all)
}

/** Denoises a batch of flow-model latents [B, C, H, W]; all samples are evaluated at the same time, each by its own evaluator. */
export function guided(guidance: Guidance): Denoise {
  const { evaluators, scale, sigmas, total } = guidance
  const branches = branchesFor(scale)
  let index = 0
  return async (latent, sigma) => {
    const at = { sigma, timestep: guidance.timestep(sigma), progress: 1 - sigma / sigmas[0]! }
    const calls = evaluators.map((_, sample): Call => {
      return { index, total, ...at, sigmas, guidance: scale, latent: row(latent, sample), sample, branches }
    })
    index++
    const answers = await Promise.all(evaluators.map((evaluate, sample) => evaluate(calls[sample]!)))
    guidance.onRows(
      answers.flatMap((evaluated, i) => {
        const call = calls[i]!
        return [...evaluated].map(([branch, one]) => toRow(call, branch, one, guidance.spent(call, branch)))
      }),
    )
    return denoisedFrom(
      latent,
      answers.map((evaluated) => combine(evaluated, scale)),
      sigma,
    )
  }
}
