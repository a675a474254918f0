/** What one sampling run did, row by row: the value of a CACHE_REPORT link. */
import type { Branch, Trace } from './contract.ts'

/** One evaluation of one branch of one sample. */
export interface ReportRow extends Trace {
  readonly evaluation: number
  readonly sample: number
  readonly branch: Branch
  /** Which stream of prompts, counted from 1, where prompts are combined; absent for the first. */
  readonly stream?: number
  readonly sigma: number
  /**
   * Blocks really run for this row, counted around the denoiser. A block of which only some modules or tokens were computed
   * counts for the mean share of its modules, a module for the share of its tokens.
   */
  readonly blocks: number
  /** Modules really run for this row, by kind ('attn', 'mlp'); empty where the family cannot tell them apart. */
  readonly modules: Readonly<Record<string, number>>
  /** Estimated floating-point operations of what was run for this row: matrix products and attention, two a multiply-add. */
  readonly flops: number
  /** This row's share of the wall-clock time of the runs it took part in. */
  readonly milliseconds: number
}

/** Memory during a run, in bytes. */
export interface MemoryUse {
  /** The most that the whole process had resident, mapped weights included, as seen after each step. */
  readonly resident: number
  /** The most that weights of open sessions took. */
  readonly weights: number
  /** What they may take (--memory). */
  readonly budget: number
}

/** One sampling run: rows in order of evaluation, sample, branch. */
export interface CacheReport {
  /** Class name of the caching node, or null for a plain run. */
  readonly method: string | null
  readonly params: Readonly<Record<string, unknown>>
  readonly family: string
  /** Blocks of the model. */
  readonly depth: number
  /** Planned model evaluations of the run. */
  readonly evaluations: number
  readonly samples: number
  readonly branches: readonly Branch[]
  readonly rows: readonly ReportRow[]
  readonly computedBlocks: number
  /** What a plain run would have computed: evaluations x samples x branches x depth. */
  readonly totalBlocks: number
  readonly computedFlops: number
  /** What a plain run would have computed, embedding and head included; 0 where a run was cut short. */
  readonly totalFlops: number
  /** Wall-clock seconds of the sampler. */
  readonly seconds: number
  /** Things the user should know: nothing was skipped, everything was, too few steps. */
  readonly warnings: readonly string[]
  /** What nodes that sample have seen of the process's memory. */
  readonly memory?: MemoryUse
}

/** What is known of a run before anything has run. */
export type SamplingPlan = Pick<
  CacheReport,
  'method' | 'params' | 'family' | 'depth' | 'evaluations' | 'samples' | 'branches'
>
