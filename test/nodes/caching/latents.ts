/** A denoiser that plays back given predictions for given latents: for traces of methods that look at nothing else. */
import type { Branch, CacheConfiguration, Evaluated } from '../../../diffusion/caching/contract.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { callAt, scripted } from './scripted.ts'
import type { Numbers } from './straight.ts'

/** A latent or prediction of one channel and one row. */
export const cells = (...values: number[]): Tensor => tensor(Float32Array.from(values), [1, 1, 1, values.length])

/** Predictions of each branch by evaluation, one number each, or NaN. */
export type Predictions = Readonly<Partial<Record<Branch, Numbers>>>

export interface Played {
  /** By evaluation, then branch. */
  readonly answers: readonly ReadonlyMap<Branch, Evaluated>[]
  /** 'C' or 'S' of each evaluation of one branch. */
  letters(branch?: Branch): string
  /** What each evaluation of one branch gave. */
  values(branch?: Branch): readonly number[]
}

/** Plays evaluations at noise levels 1, 1 - 1/n, ... through a method. */
export async function playLatents(
  cache: CacheConfiguration,
  latents: Numbers,
  predictions: Predictions,
  family = 'fake',
): Promise<Played> {
  const branches = (['cond', 'uncond'] as const).filter((branch) => predictions[branch])
  const base = scripted({}, family)
  const predict = (index: number, branch: Branch) => Promise.resolve(cells(predictions[branch]![index]!))
  const denoiser = { ...base, predict: (call: { index: number }, branch: Branch) => predict(call.index, branch) }
  const evaluate = cache.bind(base.facts)()
  const answers: ReadonlyMap<Branch, Evaluated>[] = []
  for (const [index, value] of latents.entries())
    answers.push(await evaluate({ ...callAt(index, latents.length, branches), latent: cells(value) }, denoiser))
  const of = (branch: Branch) => answers.map((answer) => answer.get(branch)!)
  return {
    answers,
    letters: (branch = 'cond') =>
      of(branch)
        .map(({ trace }) => (trace.decision === 'skipped' ? 'S' : 'C'))
        .join(''),
    values: (branch = 'cond') => of(branch).map(({ prediction }) => prediction.data[0]!),
  }
}
