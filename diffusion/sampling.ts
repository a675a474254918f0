/** One sampling run: noise to samples, by a sampler, over a guided denoiser, with or without a cache. */
import { eachBranch, inFull } from './caching/branches.ts'
import { buildReport } from './caching/report.ts'
import type { Branch, CacheConfiguration, Denoiser, RunFacts } from './caching/contract.ts'
import type { ReportRow, SamplingPlan } from './caching/report-types.ts'
import { openDenoiser, type MeteredDenoiser } from './denoiser.ts'
import { guided, type Evaluator, type OpenStream } from './guidance/classifier-free.ts'
import { isReached, labelOf, streamsOf, type Stream } from './guidance/prompts.ts'
import { mediumOf } from './medium.ts'
import { predictionOf } from './prediction.ts'
import { assertRoom } from './room.ts'
import { faultsOf } from './sampling-faults.ts'
import type { Denoise, SamplingResult, SamplingRun } from './sampling-types.ts'
import { add, sub, zip, type Tensor } from './tensor.ts'

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

/** Model evaluations at the levels that a stream reaches. */
const evaluationsOf = ({ sampler, sigmas }: SamplingRun, { reach }: Stream): number =>
  sigmas.every((sigma) => sigma === sigmas.at(-1) || isReached(reach, sigma))
    ? sampler.evaluations(sigmas)
    : sigmas
        .slice(0, -1)
        .reduce((sum, sigma, i) => sum + (isReached(reach, sigma) ? sampler.evaluations(sigmas.slice(i, i + 2)) : 0), 0)

const labels = (streams: readonly Stream[]): readonly Branch[] =>
  streams.flatMap(({ prompts }) => [...prompts.values()].map(({ side }) => labelOf(side)))

function planOf(run: SamplingRun, streams: readonly Stream[]): SamplingPlan {
  const { family, depth } = run.model.transformer.facts
  return {
    ...{ family, depth },
    method: run.cache?.method ?? null,
    params: run.cache?.params ?? {},
    branches: labels(streams),
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

/** Refuses a run whose evaluations cannot fit into memory. With a cache each row decides for itself: then one is what is counted. */
function assertEvaluationFits(
  { model, latent }: SamplingRun,
  { image, rows }: MeteredDenoiser['largest'],
  isCached: boolean,
): void {
  const [height = 0, width = 0] = latent.shape.slice(-2)
  assertRoom({
    what: `Sampling with ${model.name}`,
    bytes: (isCached ? 1 : rows) * image * (model.transformer.heldPerToken ?? 0),
    height: height * model.latent.factor,
    width: width * model.latent.factor,
    instead: `${latent.shape.length > 4 ? 'Fewer frames' : 'A smaller batch'} and guidance of 1 need less too.`,
  })
}

/** A stream of prompts with its own denoiser, and the estimated operations of its plain evaluations. */
async function openStream(run: SamplingRun, stream: Stream, cache: CacheConfiguration | null) {
  const samples = run.latent.shape[0]!
  const { transformer, parametrisation } = run.model
  const conditioning = new Map([...stream.prompts].map(([branch, one]) => [branch, one.conditioning]))
  const start = cache?.bind(transformer.facts, { ...factsOf(run), guidance: stream.scale })
  const prediction = predictionOf(parametrisation)
  const reached = run.sigmas.slice(0, -1).filter((sigma) => isReached(stream.reach, sigma))
  const levels = reached.map((sigma) => ({ sigma, timestep: prediction.timestep(sigma) }))
  const opened = await openDenoiser(transformer, conditioning, run.latent.shape.slice(1), samples, run.signal, levels)
  const total = evaluationsOf(run, stream)
  if (total > 0) assertEvaluationFits(run, opened.largest, cache !== null)
  const open: OpenStream = {
    ...stream,
    evaluators: evaluatorsFor(start, opened.denoiser, samples),
    total,
    spent: opened.takeSpent,
  }
  return {
    open,
    flops: total * samples * opened.plainFlops,
    blocks: total * samples * conditioning.size * transformer.facts.depth,
  }
}

/** The guided denoiser of one run and what it would compute without a cache; `onRows` gets the rows of each evaluation. */
async function openDenoise(
  run: SamplingRun,
  streams: readonly Stream[],
  cache: CacheConfiguration | null,
  onRows: (rows: readonly ReportRow[]) => void,
) {
  const opened: Awaited<ReturnType<typeof openStream>>[] = []
  for (const stream of streams) opened.push(await openStream(run, stream, cache))
  const sum = (of: 'flops' | 'blocks'): number => opened.reduce((total, one) => total + one[of], 0)
  const denoise = guided({
    streams: opened.map(({ open }) => open),
    scale: run.guidance,
    ...(run.second ? { second: run.second } : {}),
    sigmas: run.sigmas,
    prediction: predictionOf(run.model.parametrisation),
    onRows,
  })
  return { denoise, totalFlops: sum('flops'), totalBlocks: sum('blocks') }
}

/** Keeps the latent where the mask is 0: noised as it would be at each level, and clean in every prediction. */
function masked(run: SamplingRun, mask: Tensor, denoise: Denoise): Denoise {
  const { latent, noise } = run
  const prediction = predictionOf(run.model.parametrisation)
  const inside = (a: Tensor, b: Tensor): Tensor =>
    add(
      b,
      zip(sub(a, b), mask, (difference, m) => difference * m),
    )
  return async (x, sigma) => inside(await denoise(inside(x, prediction.noised(latent, noise, sigma)), sigma), latent)
}

/** The sampler's way from the noisy start to the samples. */
async function integrate(run: SamplingRun, guidedDenoise: Denoise): Promise<Tensor> {
  const { sampler, sigmas, latent, noise, mask } = run
  const denoise = mask ? masked(run, mask, guidedDenoise) : guidedDenoise
  const steps = sigmas.length - 1
  const prediction = predictionOf(run.model.parametrisation)
  const start = prediction.begun(latent, noise, sigmas[0]!)
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
  const streams = streamsOf(run, run.model.parametrisation)
  const plan = planOf(run, streams)
  const rows: ReportRow[] = []
  const began = performance.now()
  const opened =
    run.sigmas.length === 0
      ? null
      : await openDenoise(run, streams, cache, (fresh) => {
          rows.push(...fresh)
          run.onRows?.(fresh, plan)
        })
  const samples = opened ? await integrate(run, opened.denoise) : run.latent
  const seconds = (performance.now() - began) / 1000
  const totals = { totalFlops: opened?.totalFlops ?? 0, totalBlocks: opened?.totalBlocks ?? 0 }
  const cautions = opened ? cache?.cautions?.(run.model.transformer.facts, factsOf(run)) : undefined
  return { samples, report: buildReport(plan, { seconds, ...totals }, rows, cautions) }
}
