/** One sampling run of a node: the latent made ready, the run watched, and its latents and report as outputs. */
import { sample } from '../../../diffusion/sampling.ts'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import type { CacheReport } from '../../../diffusion/caching/report-types.ts'
import type { Sampler } from '../../../diffusion/sampling-types.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { RunContext } from '../../define.ts'
import type { Guider, Latent, NoiseSource } from '../../ports.ts'
import { fitLatent, startOf, watched } from '../../sampling-run.ts'
import { watchMemory } from './memory.ts'

export interface NodeRun {
  readonly guider: Guider
  readonly sampler: Sampler
  readonly sigmas: readonly number[]
  readonly noise: NoiseSource
  readonly latent: Latent
  readonly cache: CacheConfiguration | undefined
}

export interface NodeRan {
  /** What the sampler ended with; mask and draws stay on it. */
  readonly output: Latent
  /** The clean latent that the model last predicted. */
  readonly denoised: Latent
  readonly report: CacheReport
}

/** Runs it, and tells the node's reporter of it. */
export async function runNode(
  run: NodeRun,
  { report, signal }: Pick<RunContext, 'report' | 'signal'>,
): Promise<NodeRan> {
  const { guider, sampler, sigmas, noise } = run
  const latent = fitLatent(run.latent, guider.model)
  const { onRows, onStep } = watched(guider.model.latent, report)
  const seen: { last?: Tensor } = {}
  const memory = watchMemory()
  const result = await sample({
    ...guider,
    ...startOf(latent, noise),
    sampler,
    sigmas,
    onRows,
    onStep(done, total, denoised) {
      seen.last = denoised
      memory.look()
      onStep(done, total, denoised)
    },
    cache: run.cache ?? null,
    signal,
  })
  report.sampled({ ...result.report, memory: memory.seen() })
  result.report.warnings.forEach((warning) => report.warn(warning))
  const { samples } = result
  return {
    output: { ...latent, samples },
    denoised: { ...latent, samples: seen.last ?? samples },
    report: result.report,
  }
}
