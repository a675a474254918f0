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

/** A denoising loop as the authors of a caching method ran it: how its case is known and which settings of ours it asks for. */
export interface PublishedLoop {
  /** Whether a case.json describes a loop of this method. */
  matches(about: Json): boolean
  configured(about: Json): CacheConfiguration
  /** What the reference stored of the decisions beside `computed`, by the tensor's name, as our report tells it. */
  measured(rows: readonly ReportRow[]): Readonly<Record<string, readonly number[]>>
}

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

/** The loop's decisions and measures against the reference. */
function compareDecisions(comparison: Comparison, opened: FluxCase, loop: PublishedLoop, rows: readonly ReportRow[]) {
  const computed = rows.map(({ decision }) => (decision === 'skipped' ? 0 : 1))
  for (const [name, values] of Object.entries({ computed, ...loop.measured(rows) }))
    comparison.add(name, vector(values), opened.outputs[name])
}

async function compareLoops(dir: string, about: Json, loop: PublishedLoop): Promise<CheckResult> {
  const opened = await openFluxCase(dir)
  try {
    const comparison = new Comparison(basename(dir), 'cache-loop', BAR)
    const shift = Number(about['shift'])
    const reference = opened.outputs['sigmas']
    comparison.add('sigmas', vector(loopSigmas(Number(about['steps']), shift)), reference)
    // The model takes 1000 sigma into sines and cosines: one unit in a sigma's last place would show in the fourth digit.
    const sigmas = [...(reference?.data ?? [])]
    for (const [name, cache] of [
      ['uncached', null],
      ['cached', loop.configured(about)],
    ] as const) {
      const { states, velocities, report } = await runLoop(opened, sigmas, shift, cache)
      comparison.add(`trajectory_${name}`, concatRows(states), opened.outputs[`trajectory_${name}`])
      comparison.add(`output_${name}`, concatRows(velocities), opened.outputs[`output_${name}`])
      if (cache) compareDecisions(comparison, opened, loop, report.rows)
    }
    return comparison.result()
  } finally {
    await opened.transformer.release()
  }
}

/** A checker of published loops; the methods that answer to them are the caller's to bring. */
export function cacheLoopChecker(loops: readonly PublishedLoop[]): Checker {
  const find = async (dir: string) => {
    const about = (await readJsonIfAny(join(dir, 'case.json'))) ?? {}
    return { about, loop: loops.find((one) => one.matches(about)) }
  }
  return {
    kind: 'cache-loop',
    matches: async (dir) => (await find(dir)).loop !== undefined,
    async check(dir): Promise<readonly CheckResult[]> {
      const { about, loop } = await find(dir)
      if (!loop) throw new Error(`${dir}: its case.json describes no cache loop that is known here`)
      return [await compareLoops(dir, about, loop)]
    },
  }
}
