/** What the bench paints: one caption with its noise, sampled under a setting and decoded. */
import type { CacheReport, ReportRow } from '../diffusion/caching/report-types.ts'
import type { Checkpoint, Conditioning } from '../diffusion/families/contract.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { normalNoise } from '../diffusion/random.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import { sample } from '../diffusion/sampling.ts'
import { zeros, type Tensor } from '../diffusion/tensor.ts'
import type { Setting } from './setting.ts'

/** Seed of the first caption; caption i uses SEED + i. */
const SEED = 1000
export const SCHEDULE = 'simple'

/** What all runs of a bench share. */
export interface Stage {
  readonly checkpoint: Checkpoint
  readonly captions: readonly string[]
  readonly guidance: number
  /** Edge of the pictures in pixels. */
  readonly size: number
  readonly negative: Conditioning
}

export interface Scene {
  /** Position in `captions`. */
  readonly index: number
  readonly caption: string
  readonly positive: Conditioning
  readonly noise: Tensor
}

export interface Painted {
  /** Final latent [1, C, h, w]. */
  readonly latent: Tensor
  readonly report: CacheReport
}

export const seedOf = (index: number): number => SEED + index

/** [C, h, w] of a stage's latents. */
export function latentShape({ checkpoint: { model, vae }, size }: Stage): readonly number[] {
  return [model.latent.channels, size / vae.factor, size / vae.factor]
}

/** Noise of captions `from` to `from + count`, each from its own seed: [count, C, h, w]. */
export function noiseOf(stage: Stage, from: number, count = 1): Tensor {
  const rows = Array.from({ length: count }, (_, i) =>
    normalNoise(BigInt(seedOf(from + i)), [1, ...latentShape(stage)]),
  )
  const all = zeros([count, ...latentShape(stage)])
  rows.forEach(({ data }, i) => all.data.set(data, i * data.length))
  return all
}

export async function openScene(stage: Stage, index: number): Promise<Scene> {
  const caption = stage.captions[index]
  if (caption === undefined) throw new RangeError(`bench: there is no caption ${index}`)
  return { index, caption, positive: await stage.checkpoint.clip.encode(caption), noise: noiseOf(stage, index) }
}

/** Sigmas of a setting's steps on this model. */
export const sigmasFor = (stage: Stage, { steps, sigmas }: Pick<Setting, 'steps' | 'sigmas'>): readonly number[] =>
  sigmas ?? runSigmas(schedules.get(SCHEDULE)!, steps, 1, stage.checkpoint.model.parametrisation)

/** Samples one scene, or a batch of them, under a setting; `onEvaluation` is called after each model evaluation. */
export async function paint(
  stage: Stage,
  { positive, noise }: Pick<Scene, 'positive' | 'noise'>,
  setting: Setting,
  onEvaluation?: (rows: readonly ReportRow[]) => void,
): Promise<Painted> {
  const sampler = samplers.get(setting.sampler)
  if (!sampler) throw new Error(`bench: no sampler '${setting.sampler}'; there is ${[...samplers.keys()].join(', ')}`)
  const { model, cache } = await setting.wire(stage.checkpoint.model)
  const { samples, report } = await sample({
    model,
    positive: [positive],
    negative: [stage.negative],
    guidance: stage.guidance,
    latent: zeros(noise.shape),
    noise,
    sigmas: sigmasFor(stage, setting),
    sampler,
    cache,
    signal: new AbortController().signal,
    onRows: (rows) => onEvaluation?.(rows),
  })
  return { latent: samples, report }
}

const LETTERS = { full: 'F', resumed: 'F', skipped: 's', partial: 'p' } as const

/** How a run of one sample was decided: a letter per evaluation and branch, F computed, p partly, s skipped. */
export const decisionsOf = ({ rows }: CacheReport): string => rows.map(({ decision }) => LETTERS[decision]).join('')
