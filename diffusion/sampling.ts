/** One sampling run: noise to samples, by a sampler, over a guided denoiser, with or without a cache. */
import { eachBranch, inFull } from './caching/branches.ts'
import { buildReport } from './caching/report.ts'
import type { Branch, CacheConfiguration, Denoiser, RunFacts } from './caching/contract.ts'
import type { ReportRow, SamplingPlan } from './caching/report-types.ts'
import { openDenoiser } from './denoiser.ts'
import type { Conditioning } from './families/contract.ts'
import { branchesFor, guided, type Evaluator } from './guidance/classifier-free.ts'
import { mediumOf } from './medium.ts'
import { predictionOf } from './prediction.ts'
import type { Denoise, SamplingResult, SamplingRun } from './sampling-types.ts'
import { sizeOf, type Tensor } from './tensor.ts'

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`

function faultsOfConditioning(run: SamplingRun): string[] {
  const lists: readonly (readonly [string, readonly Conditioning[]])[] =
    run.guidance === 1
      ? [['positive', run.positive]]
      : [
          ['positive', run.positive],
          ['negative', run.negative],
        ]
  const samples = run.latent.shape[0] ?? 0
  return lists.flatMap(([name, list]) => {
    if (list.length !== 1)
      return [`${name}: expected one conditioning, received ${list.length}; combined prompts are not supported`]
    const [prompts = 0, pooled = prompts] = [list[0]!.tokens.shape[0], list[0]!.pooled?.shape[0]]
    return pooled === prompts && (prompts === 1 || prompts === samples)
      ? []
      : [
          `${name}: expected one prompt for all ${samples} latents or one for each, received ${prompts} (pooled ${pooled})`,
        ]
  })
}

function faultsOfSigmas({ sigmas, model }: SamplingRun): string[] {
  if (sigmas.length === 0) return []
  if (sigmas.length === 1) return ['sigmas: expected at least two noise levels, received one']
  const falling = sigmas.every((sigma, i) => i === 0 || sigma < sigmas[i - 1]!)
  const most = model.parametrisation.kind === 'flow' ? 1 : Infinity
  const inRange = sigmas.every((sigma) => sigma >= 0 && sigma <= most)
  const range = most === 1 ? 'from 0 to 1' : 'of at least 0'
  return falling && inRange ? [] : [`sigmas: expected falling values ${range}, received ${shapeText(sigmas)}`]
}

function faultsOf(run: SamplingRun): string[] {
  const { latent, noise, model } = run
  const channels = model.latent.channels
  return [
    ...faultsOfConditioning(run),
    ...faultsOfSigmas(run),
    ...(latent.shape.length === noise.shape.length && latent.shape.every((extent, axis) => extent === noise.shape[axis])
      ? []
      : [`noise: expected the latent's shape ${shapeText(latent.shape)}, received ${shapeText(noise.shape)}`]),
    ...(sizeOf(latent.shape) > 0
      ? []
      : [`latent: expected at least one value, received the shape ${shapeText(latent.shape)}`]),
    ...(latent.shape[1] === channels
      ? []
      : [`latent: this model takes ${channels} channels, received ${latent.shape[1]} in ${shapeText(latent.shape)}`]),
    ...(Number.isFinite(run.guidance) ? [] : [`guidance: expected a finite scale, received ${run.guidance}`]),
  ]
}

/** Evaluators for every sample: a cache's, or the plain forward pass. */
function evaluatorsFor(
  start: ReturnType<CacheConfiguration['bind']> | undefined,
  denoiser: Denoiser,
  samples: number,
): Evaluator[] {
  return Array.from({ length: samples }, (): Evaluator => {
    const evaluate = start?.()
    if (evaluate) return (call) => evaluate(call, denoiser)
    return (call) => eachBranch(call, (branch) => inFull(denoiser, call, branch))
  })
}

/** The conditioning of each branch that a run evaluates. */
function conditioningOf(run: SamplingRun, branches: readonly Branch[]): Map<Branch, Conditioning> {
  return new Map(branches.map((branch) => [branch, (branch === 'cond' ? run.positive : run.negative)[0]!]))
}

function planOf(run: SamplingRun): SamplingPlan {
  const { family, depth } = run.model.transformer.facts
  return {
    ...{ family, depth },
    method: run.cache?.method ?? null,
    params: run.cache?.params ?? {},
    branches: branchesFor(run.guidance),
    evaluations: run.sampler.evaluations(run.sigmas),
    samples: run.latent.shape[0]!,
  }
}

/** What a caching method may know of a run. */
const factsOf = ({ model, sampler, guidance, sigmas }: SamplingRun): RunFacts => ({
  model: model.name,
  sampler: sampler.name,
  guidance,
  sigmas,
  predicts: model.parametrisation.kind,
})

/** The guided denoiser of one run and what it would compute without a cache; `onRows` gets the rows of each evaluation. */
async function openDenoise(
  run: SamplingRun,
  cache: CacheConfiguration | null,
  onRows: (rows: readonly ReportRow[]) => void,
) {
  const { branches, evaluations, samples } = planOf(run)
  const conditioning = conditioningOf(run, branches)
  const latentShape = run.latent.shape.slice(1)
  const start = cache?.bind(run.model.transformer.facts, factsOf(run))
  const prediction = predictionOf(run.model.parametrisation)
  const levels = run.sigmas.slice(0, -1).map((sigma) => ({ sigma, timestep: prediction.timestep(sigma) }))
  const opened = await openDenoiser(run.model.transformer, conditioning, latentShape, samples, run.signal, levels)
  const denoise = guided({
    evaluators: evaluatorsFor(start, opened.denoiser, samples),
    scale: run.guidance,
    sigmas: run.sigmas,
    prediction,
    total: evaluations,
    spent: opened.takeSpent,
    onRows,
  })
  return { denoise, totalFlops: evaluations * samples * opened.plainFlops }
}

/** The sampler's way from the noisy start to the samples. */
async function integrate(run: SamplingRun, denoise: Denoise): Promise<Tensor> {
  const { sampler, sigmas, latent, noise } = run
  const steps = sigmas.length - 1
  const prediction = predictionOf(run.model.parametrisation)
  const start = prediction.noised(latent, noise, sigmas[0]!)
  const onStep = (done: number, denoised: Tensor) => run.onStep?.(done, steps, denoised)
  const medium = mediumOf(run.model.parametrisation, run.seed ?? 0n, latent.shape)
  const end = await sampler.sample(denoise, start, sigmas, onStep, medium)
  return prediction.left(end, sigmas[steps]!)
}

/**
 * Runs a sampler from `sigmas[0]` to the last sigma. With no sigmas (denoise 0) the latent comes back as it is. Throws one
 * error that lists every fault of its arguments, UnmetNeedsError when the model cannot serve the cache, InterruptedError
 * soon after `signal` is aborted.
 */
export async function sample(given: SamplingRun): Promise<SamplingResult> {
  const faults = faultsOf(given)
  if (faults.length > 0) throw new Error(`sampling: ${faults.join('; ')}`)
  const cache = given.cache ?? given.model.cache ?? null
  const run = { ...given, cache }
  const plan = planOf(run)
  const rows: ReportRow[] = []
  const began = performance.now()
  const opened =
    run.sigmas.length === 0
      ? null
      : await openDenoise(run, cache, (fresh) => {
          rows.push(...fresh)
          run.onRows?.(fresh, plan)
        })
  const samples = opened ? await integrate(run, opened.denoise) : run.latent
  const seconds = (performance.now() - began) / 1000
  const cautions = opened ? cache?.cautions?.(run.model.transformer.facts, factsOf(run)) : undefined
  return { samples, report: buildReport(plan, { seconds, totalFlops: opened?.totalFlops ?? 0 }, rows, cautions) }
}
