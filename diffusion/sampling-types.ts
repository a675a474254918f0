/** The arguments and the result of one sampling run, between the sampler nodes and the mathematics. */
import type { CacheConfiguration } from './caching/contract.ts'
import type { CacheReport, ReportRow, SamplingPlan } from './caching/report-types.ts'
import type { Conditioning, DiffusionModel } from './families/contract.ts'
import type { Tensor } from './tensor.ts'

/** The one function a sampler sees: noisy latent [B, C, H, W] and sigma to the predicted clean latent. */
export type Denoise = (latent: Tensor, sigma: number) => Promise<Tensor>

/** What the states of a run are made of, for samplers that add noise or count in signal-to-noise ratios. */
export interface Medium {
  /** 'flow': x = (1 - sigma) clean + sigma noise; 'exploding': x = clean + sigma noise. */
  readonly kind: 'flow' | 'exploding'
  /**
   * The noisiest level at which the logarithm of the signal-to-noise ratio may be taken; solvers in it take levels above, such as
   * pure noise, for this one. Infinity where no level is pure noise.
   */
  readonly ceiling: number
  /** Fresh unit noise shaped like the latent: the draws of a run, in order, are its seed's. */
  readonly noise: () => Tensor
}

/** A sampler: integrates from sigmas[0] to the last; knows neither models nor caches. */
export interface Sampler {
  /** ComfyUI's name: 'euler', 'heun', 'dpmpp_2m'. */
  readonly name: string
  /** Whether it leaves out the last but one level of a schedule made for one step more, as ComfyUI's KSampler has it do. */
  readonly skipsPenultimate?: boolean
  /** Number of times `denoise` will be called for these sigmas: what a caching method sees as the run's evaluations. */
  evaluations(sigmas: readonly number[]): number
  sample(
    denoise: Denoise,
    latent: Tensor,
    sigmas: readonly number[],
    onStep: (done: number, denoised: Tensor) => void,
    medium: Medium,
  ): Promise<Tensor>
}

/** The noise levels a model was trained on. */
export interface NoiseLevels {
  /** Sigmas of the training steps, rising, length trainSteps; the first is sigma_min, the last sigma_max. */
  readonly table: Float64Array
  /** Times of the range's ends as 'normal' and 'sgm_uniform' take them: of the most noise, and of the least. */
  readonly ends: readonly [first: number, last: number]
  /** Sigma at training time t in 0..1, between the table's entries too: `table[i] = at((i + 1) / trainSteps)`. */
  readonly at: (time: number) => number
}

/** A noise schedule. */
export interface Schedule {
  /** ComfyUI's name: 'simple', 'normal', 'karras', 'sgm_uniform', 'beta'. */
  readonly name: string
  /** `steps + 1` falling sigmas, the last 0 ('beta' leaves out a level that it would give twice). */
  sigmas(steps: number, levels: NoiseLevels): readonly number[]
}

/** A second prompt of a run that is guided twice (ComfyUI's DualCFGGuider). */
export interface SecondPrompts {
  readonly prompts: readonly Conditioning[]
  /** Scale from the negative prompt to the second; 1 leaves the negative prompt out. */
  readonly guidance: number
  /** True: from the negative prompt to what the positive and the second give together. */
  readonly nested: boolean
}

export interface SamplingRun {
  readonly model: DiffusionModel
  readonly positive: readonly Conditioning[]
  readonly negative: readonly Conditioning[]
  /** Classifier-free guidance scale; 1 evaluates the conditional branch only. */
  readonly guidance: number
  /** Prompts between the positive and the negative ones, which `guidance` then leads away from. */
  readonly second?: SecondPrompts
  /** Clean starting latent [B, C, H, W]: zeros for text-to-image. */
  readonly latent: Tensor
  /** Unit noise, shaped like `latent`. */
  readonly noise: Tensor
  /** What is to be sampled anew, shaped like `latent`: 1, and 0 where the latent stays as it is. Absent where all is. */
  readonly mask?: Tensor
  readonly sigmas: readonly number[]
  readonly sampler: Sampler
  /** Of the noise that samplers add on their way, 0 to 2^64 - 1; 0 unless told. */
  readonly seed?: bigint
  /** Null uses the cache that the model carries, if any. */
  readonly cache: CacheConfiguration | null
  readonly signal: AbortSignal
  /** After each evaluation, its rows. */
  readonly onRows?: (rows: readonly ReportRow[], plan: SamplingPlan) => void
  /** After each step, the predicted clean latent. */
  readonly onStep?: (done: number, total: number, denoised: Tensor) => void
}

export interface SamplingResult {
  readonly samples: Tensor
  readonly report: CacheReport
}
