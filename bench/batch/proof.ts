/** A batch of different captions against its captions one by one: the same decisions, the same pictures, the blocks of both. */
import type { CacheConfiguration } from '../../diffusion/caching/contract.ts'
import type { CacheReport } from '../../diffusion/caching/report-types.ts'
import type { Conditioning, DiffusionModel } from '../../diffusion/families/contract.ts'
import { samplers } from '../../diffusion/registry.ts'
import { sample } from '../../diffusion/sampling.ts'
import { concatRows, row, zeros, type Tensor } from '../../diffusion/tensor.ts'
import type { BatchProof } from '../result.ts'
import { noiseOf, sigmasFor, type Stage } from '../scene.ts'
import type { Setting } from '../setting.ts'
import { oneDecision, type Rule } from './one-decision.ts'

const SAMPLES = 8

/** Several prompts as one, a row for each sample of a batch. */
export function stack(prompts: readonly Conditioning[]): Conditioning {
  const pooled = prompts.flatMap((prompt) => prompt.pooled ?? [])
  return {
    tokens: concatRows(prompts.map(({ tokens }) => tokens)),
    pooled: pooled.length > 0 ? concatRows(pooled) : null,
    extras: prompts[0]?.extras ?? {},
  }
}

/** How each sample of a run was decided, in letters. */
const bySample = ({ rows, samples }: CacheReport): readonly string[] =>
  Array.from({ length: samples }, (_, index) =>
    rows
      .filter(({ sample: own }) => own === index)
      .map(({ branch, decision }) => `${branch[0] ?? ''}${decision[0] ?? ''}`)
      .join(' '),
  )

function largestDifference(a: Tensor, b: Tensor): number {
  let largest = 0
  for (let i = 0; i < a.data.length; i++) largest = Math.max(largest, Math.abs(a.data[i]! - b.data[i]!))
  return largest
}

/** A sampling run of several prompts. */
export interface Batch {
  readonly model: DiffusionModel
  readonly prompts: readonly Conditioning[]
  readonly negative: Conditioning
  readonly guidance: number
  /** A row for each prompt: [B, C, h, w]. */
  readonly noise: Tensor
  readonly sigmas: readonly number[]
  /** Latents to pictures, which are what is compared. */
  readonly decode: (latents: Tensor) => Promise<Tensor>
}

async function run({ prompts, decode, negative, ...batch }: Batch, cache: CacheConfiguration) {
  const { samples, report } = await sample({
    ...batch,
    positive: [stack(prompts)],
    negative: [negative],
    latent: zeros(batch.noise.shape),
    sampler: samplers.get('euler')!,
    cache,
    signal: new AbortController().signal,
  })
  return { pictures: await decode(samples), report }
}

const ruled = ({ params }: CacheConfiguration, rule: Rule, samples: number): CacheConfiguration =>
  oneDecision({
    rule,
    samples,
    threshold: Number(params['threshold']),
    warmUp: Number(params['warm_up']),
    probeDepth: Number(params['probe_depth']),
    maxGain: Number(params['max_gain']),
  })

/** The prompts as a batch, singly, and as a batch under both one-decision rules. `cache` must be a DiCache. */
export async function compareBatch(batch: Batch, cache: CacheConfiguration): Promise<Omit<BatchProof, 'config'>> {
  const { prompts, noise } = batch
  const together = await run(batch, cache)
  const decided = bySample(together.report)
  const singles = []
  for (const [i, prompt] of prompts.entries())
    singles.push(await run({ ...batch, prompts: [prompt], noise: row(noise, i) }, cache))
  const blocksUnder = async (rule: Rule): Promise<number> =>
    (await run(batch, ruled(cache, rule, prompts.length))).report.computedBlocks
  return {
    samples: prompts.length,
    batchBlocks: together.report.computedBlocks,
    singleBlocks: singles.reduce((sum, { report }) => sum + report.computedBlocks, 0),
    sameDecisions: singles.every(({ report }, i) => bySample(report)[0] === decided[i]),
    largestDifference: Math.max(
      ...singles.map(({ pictures }, i) => largestDifference(pictures, row(together.pictures, i))),
    ),
    meanRuleBlocks: await blocksUnder('mean'),
    anyRuleBlocks: await blocksUnder('any'),
    totalBlocks: together.report.totalBlocks,
  }
}

/** Runs a setting of DiCache on up to eight of the bench's captions; null with fewer than two. */
export async function proveBatch(stage: Stage, setting: Setting): Promise<BatchProof | null> {
  const { checkpoint, captions, negative, guidance } = stage
  const samples = Math.min(SAMPLES, captions.length)
  const { cache } = await setting.wire(checkpoint.model)
  if (!cache || samples < 2) return null
  const prompts: Conditioning[] = []
  for (const caption of captions.slice(0, samples)) prompts.push(await checkpoint.clip.encode(caption))
  const batch: Batch = {
    ...{ prompts, negative, guidance, model: checkpoint.model },
    noise: noiseOf(stage, 0, samples),
    sigmas: sigmasFor(stage, setting),
    decode: (latents) => checkpoint.vae.decode(latents),
  }
  return { config: setting.name, ...(await compareBatch(batch, cache)) }
}
