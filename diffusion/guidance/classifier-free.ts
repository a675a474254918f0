/** Classifier-free guidance: one denoise function out of the predictions that every sample's evaluators make for its prompts. */
import type { Branch, Call, Evaluated } from '../caching/contract.ts'
import type { ReportRow } from '../caching/report-types.ts'
import type { Spent } from '../accounting.ts'
import type { Prediction } from '../prediction.ts'
import type { Denoise, SecondPrompts } from '../sampling-types.ts'
import { add, axpy, lerp, row, scale as scaled, sub, zeros, type Tensor } from '../tensor.ts'
import { isReached, labelOf, type Side, type Stream } from './prompts.ts'

/** Answers one evaluation of one sample. */
export type Evaluator = (call: Call) => Promise<ReadonlyMap<Branch, Evaluated>>

/** A stream with what evaluates it. */
export interface OpenStream extends Stream {
  /** One per row of the batch. */
  readonly evaluators: readonly Evaluator[]
  /** Evaluations that it will take part in. */
  readonly total: number
  spent(call: Call, branch: Branch): Spent
}

export interface Guidance {
  readonly streams: readonly OpenStream[]
  /** The scale g of v = negative + g (positive - negative), or from the second prompts where there are any. */
  readonly scale: number
  readonly second?: Pick<SecondPrompts, 'guidance' | 'nested'>
  /** Noise levels of the run, falling. */
  readonly sigmas: readonly number[]
  /** How the model's predictions are to be read. */
  readonly prediction: Prediction
  /** The rows of one evaluation, by stream, sample, then branch. */
  onRows(rows: readonly ReportRow[]): void
}

type Predictions = Partial<Record<Side, Tensor>>

/** The mean of what the prompts of each side predict. */
function bySide(predicted: readonly (readonly [Side, Tensor])[]): Predictions {
  const sides: Partial<Record<Side, Tensor[]>> = {}
  for (const [side, prediction] of predicted) (sides[side] ??= []).push(prediction)
  const mean = ([first, ...rest]: readonly Tensor[]): Tensor =>
    rest.length === 0
      ? first!
      : scaled(
          rest.reduce((sum, one) => add(sum, one), first!),
          1 / (rest.length + 1),
        )
  return Object.fromEntries(Object.entries(sides).map(([side, all]) => [side, mean(all)]))
}

/** A side without a prompt at this level counts for nothing: guidance then leads away from the next side that has one. */
function combine({ positive, second, negative }: Predictions, { scale, second: between }: Guidance): Tensor {
  if (!positive) throw new Error('guidance: no positive prompt was evaluated')
  if (!between) return negative ? lerp(negative, positive, scale) : positive
  if (!second) return negative ? lerp(negative, positive, between.guidance) : positive
  if (!negative) return lerp(second, positive, scale)
  if (between.nested) return lerp(negative, lerp(second, positive, scale), between.guidance)
  return axpy(lerp(negative, second, between.guidance), scale, sub(positive, second))
}

/** What is told of one evaluation of one branch. */
function toRow(call: Call, branch: Branch, { trace }: Evaluated, stream: number, open: OpenStream): ReportRow {
  return {
    ...trace,
    ...open.spent(call, branch),
    evaluation: call.index,
    sample: call.sample,
    branch: labelOf(open.prompts.get(branch)!.side),
    ...(stream > 0 ? { stream } : {}),
    sigma: call.sigma,
  }
}

/** One prediction per sample as one batch, shaped like the latent. */
function stacked({ shape }: Tensor, predictions: readonly Tensor[]): Tensor {
  if (predictions.length === 1) return predictions[0]!
  const all = zeros(shape)
  predictions.forEach(({ data }, i) => all.data.set(data, i * data.length))
  return all
}

/** Share of the noise range behind; of rising levels, of those that the run goes through. */
function progressAt(sigma: number, sigmas: readonly number[]): number {
  const [first, last] = [sigmas[0]!, sigmas.at(-1)!]
  return last > first ? (sigma - first) / (last - first) : 1 - sigma / first
}

/** One stream through a run: answers for every sample, each by its own evaluator. */
function streamer(stream: OpenStream, { sigmas, prediction }: Guidance) {
  const { evaluators, total, scale, prompts, reach } = stream
  const branches = [...prompts.keys()]
  const levels = sigmas
    .slice(0, -1)
    .filter((sigma) => isReached(reach, sigma))
    .map((sigma) => ({ sigma, timestep: prediction.timestep(sigma) }))
  const path = levels.length === total ? { path: levels } : {}
  let index = 0
  return async (input: Tensor, sigma: number) => {
    const at = { sigma, timestep: prediction.timestep(sigma), progress: progressAt(sigma, sigmas) }
    const calls = evaluators.map((_, sample): Call => {
      return { index, total, ...at, ...path, sigmas, guidance: scale, latent: row(input, sample), sample, branches }
    })
    index++
    const answers = await Promise.all(evaluators.map((evaluate, sample) => evaluate(calls[sample]!)))
    return answers.map((evaluated, sample) => ({ call: calls[sample]!, evaluated }))
  }
}

/** Denoises a batch of latents [B, C, H, W]; streams that do not reach a level take no part in it. */
export function guided(guidance: Guidance): Denoise {
  const { prediction, streams } = guidance
  const open = streams.map((stream, at) => ({ stream, at, evaluate: streamer(stream, guidance) }))
  return async (latent, sigma) => {
    const input = prediction.input(latent, sigma)
    const predicted: [Side, Tensor][][] = Array.from({ length: latent.shape[0]! }, () => [])
    for (const { stream, at, evaluate } of open.filter((one) => isReached(one.stream.reach, sigma))) {
      const answers = await evaluate(input, sigma)
      guidance.onRows(
        answers.flatMap(({ call, evaluated }) =>
          [...evaluated].map(([branch, one]) => toRow(call, branch, one, at, stream)),
        ),
      )
      for (const { call, evaluated } of answers)
        for (const [branch, { side }] of stream.prompts)
          if (evaluated.has(branch)) predicted[call.sample]!.push([side, evaluated.get(branch)!.prediction])
    }
    const predictions = predicted.map((one) => combine(bySide(one), guidance))
    return prediction.denoised(latent, stacked(latent, predictions), sigma)
  }
}
