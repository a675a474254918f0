/** Compares a whole cached denoising loop with its authors' code: every decision, drift and gain, and every state. */
import { basename, join } from 'node:path'
import type { CacheConfiguration } from '../../caching/contract.ts'
import type { CacheReport, ReportRow } from '../../caching/report-types.ts'
import type { Json } from '../../families/family.ts'
import { readJsonIfAny } from '../../families/json.ts'
import { timeShift } from '../../noise-levels.ts'
import euler from '../../samplers/euler.ts'
import { sample } from '../../sampling.ts'
import type { Sampler } from '../../sampling-types.ts'
import { concatRows, scale, sub, tensor, zeros, type Tensor } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { Checker, CheckResult } from './contract.ts'
import { openFluxCase, type FluxCase } from './flux-case.ts'

const BAR = 1e-4

/** What a DiCache case is run with, in the words of the published code. */
export interface DiCacheSettings {
  readonly threshold: number
  /** Share of the steps that is computed at the start. */
  readonly retained: number
  readonly drift: 'probe' | 'probe - input'
  readonly probeDepth: number
  readonly maxGain: number
}

const settingsOf = (about: Json): DiCacheSettings => ({
  threshold: Number(about['rel_l1_thresh']),
  retained: Number(about['ret_ratio']),
  drift: about['error_choice'] === 'delta_minus' ? 'probe - input' : 'probe',
  probeDepth: Number(about['probe_depth']),
  maxGain: (about['gamma_clip'] as readonly number[])[1]!,
})

const vector = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [values.length])

/** Sigmas of the reference loop: linspace(1, 1/n, n), shifted, and 0. */
const loopSigmas = (steps: number, shift: number): number[] => [
  ...Array.from({ length: steps }, (_, i) => timeShift(shift, 1 - i / steps)),
  0,
]

interface Loop {
  /** Packed tokens: before step 0, after step 0, ... */
  readonly states: readonly Tensor[]
  readonly velocities: readonly Tensor[]
  readonly report: CacheReport
}

/** Euler steps, keeping every state and velocity. */
async function runLoop(
  opened: FluxCase,
  sigmas: readonly number[],
  shift: number,
  cache: CacheConfiguration | null,
): Promise<Loop> {
  const [states, velocities]: [Tensor[], Tensor[]] = [[], []]
  const recording: Sampler = {
    ...euler,
    sample: (denoise, start, levels, onStep) =>
      euler.sample(
        async (latent, sigma) => {
          const denoised = await denoise(latent, sigma)
          states.push(latent)
          velocities.push(scale(sub(latent, denoised), 1 / sigma))
          return denoised
        },
        start,
        levels,
        onStep,
      ),
  }
  const noise = opened.toLatent(opened.inputs['latent']!)
  const { samples, report } = await sample({
    model: {
      family: 'flux',
      name: 'parity case',
      transformer: opened.transformer,
      parametrisation: { kind: 'flow', shift, trainSteps: 1000 },
      latent: { channels: opened.latentShape[0]!, factor: 8, rgb: null },
    },
    positive: [opened.conditioning(0)],
    negative: [],
    guidance: 1,
    latent: zeros(noise.shape),
    noise,
    sigmas,
    sampler: recording,
    cache,
    signal: new AbortController().signal,
  })
  const pack = (latent: Tensor): Tensor => opened.toTokens(latent)
  return { states: [...states, samples].map(pack), velocities: velocities.map(pack), report }
}

/** Drift or sum of each evaluation; 0 where it was computed by force, as the reference writes it. */
const measured = (rows: readonly ReportRow[], what: 'drift' | 'accumulated'): Tensor =>
  vector(rows.map((row) => row[what] ?? 0))

async function compareLoops(dir: string, about: Json, configured: (settings: DiCacheSettings) => CacheConfiguration) {
  const opened = await openFluxCase(dir)
  try {
    const comparison = new Comparison(basename(dir), 'cache-loop', BAR)
    const shift = Number(about['shift'])
    const sigmas = loopSigmas(Number(about['steps']), shift)
    comparison.add('sigmas', vector(sigmas), opened.outputs['sigmas'])
    for (const [name, cache] of [
      ['uncached', null],
      ['cached', configured(settingsOf(about))],
    ] as const) {
      const { states, velocities, report } = await runLoop(opened, sigmas, shift, cache)
      comparison.add(`trajectory_${name}`, concatRows(states), opened.outputs[`trajectory_${name}`])
      comparison.add(`output_${name}`, concatRows(velocities), opened.outputs[`output_${name}`])
      if (!cache) continue
      const computed = report.rows.map(({ decision }) => (decision === 'skipped' ? 0 : 1))
      const gains = report.rows.flatMap(({ gain }) => (gain === undefined ? [] : [gain]))
      comparison.add('computed', vector(computed), opened.outputs['computed'])
      comparison.add('error', measured(report.rows, 'drift'), opened.outputs['error'])
      comparison.add('accumulated', measured(report.rows, 'accumulated'), opened.outputs['accumulated'])
      comparison.add('gamma', vector(gains), opened.outputs['gamma'])
    }
    return comparison.result()
  } finally {
    await opened.transformer.release()
  }
}

/** A checker of DiCache loops; which method answers to the published settings is the caller's to say. */
export const cacheLoopChecker = (configured: (settings: DiCacheSettings) => CacheConfiguration): Checker => ({
  kind: 'cache-loop',
  matches: async (dir) => 'error_choice' in ((await readJsonIfAny(join(dir, 'case.json'))) ?? {}),
  async check(dir): Promise<readonly CheckResult[]> {
    const about = (await readJsonIfAny(join(dir, 'case.json'))) ?? {}
    return [await compareLoops(dir, about, configured)]
  },
})
