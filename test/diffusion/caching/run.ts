/** Sampling runs of the fake model, as cache and sampler tests start them. */
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { samplers, schedules } from '../../../diffusion/registry.ts'
import { sample } from '../../../diffusion/sampling.ts'
import type { SamplingResult, SamplingRun } from '../../../diffusion/sampling-types.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import {
  FAKE_LATENT,
  fakeConditioning,
  fakeModel,
  fakeTransformer,
  type FakeTransformer,
} from '../../fixtures/fake-model.ts'

export interface FakeRunOptions extends Partial<SamplingRun> {
  readonly transformer?: FakeTransformer
  readonly steps?: number
  readonly batch?: number
  readonly seed?: bigint
  readonly samplerName?: string
  readonly denoise?: number
  /** [H, W] of the latents. */
  readonly size?: readonly [number, number]
}

/** A whole sampling run of the fake model; 16 simple Euler steps with guidance 3 unless told. */
export function runFake(options: FakeRunOptions = {}): Promise<SamplingResult> {
  const {
    transformer = fakeTransformer(),
    steps = 16,
    batch = 1,
    seed = 1n,
    samplerName = 'euler',
    denoise = 1,
    size,
  } = options
  const model = options.model ?? fakeModel(transformer)
  const shape = size ? [batch, FAKE_LATENT[0], ...size] : [batch, ...FAKE_LATENT]
  return sample({
    model,
    positive: [fakeConditioning(1)],
    negative: [fakeConditioning(2)],
    guidance: 3,
    latent: zeros(shape),
    noise: normalNoise(seed, shape),
    sigmas: runSigmas(schedules.get('simple')!, steps, denoise, model.parametrisation),
    sampler: samplers.get(samplerName)!,
    cache: null,
    signal: new AbortController().signal,
    ...options,
  })
}

/** 'C' computed, '.' skipped, 'p' partial: the decisions of one sample's branch in order. */
export function decisions({ report }: SamplingResult, sample = 0, branch = 'cond'): string {
  return report.rows
    .filter((row) => row.sample === sample && row.branch === branch)
    .map(({ decision }) => (decision === 'skipped' ? '.' : decision === 'partial' ? 'p' : 'C'))
    .join('')
}

/** A report's rows without what differs from run to run. */
export const untimed = ({ report }: SamplingResult) => report.rows.map((row) => ({ ...row, milliseconds: 0 }))
