/** The uncached sampling runs that a calibration is fitted on, and what a calibrator gets to see of them. */
import type { Conditions } from '../../../diffusion/caching/calibration.ts'
import { eachBranch, PerBranch } from '../../../diffusion/caching/branches.ts'
import {
  configure,
  type Branch,
  type CacheConfiguration,
  type Call,
  type Denoiser,
  type Hidden,
} from '../../../diffusion/caching/contract.ts'
import type { Conditioning } from '../../../diffusion/families/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { sample } from '../../../diffusion/sampling.ts'
import type { SamplingRun } from '../../../diffusion/sampling-types.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { RunContext } from '../../define.ts'
import { samplingInputs, samplingRun, watched } from '../../sampling-run.ts'
import { int, type Values } from '../../spec.ts'

/** One branch of one evaluation, computed in full. */
export interface Observation {
  readonly call: Call
  readonly branch: Branch
  readonly denoiser: Denoiser
  /** Before the first block and after the last; tensors of the runtime, to be copied if they are kept. */
  readonly input: Hidden
  readonly output: Hidden
  readonly prediction: Tensor
}

/** What a calibrator does with one branch of one sample of one run. */
export interface Observer<State> {
  /** Tensors it reads besides tokens and predictions. */
  readonly taps: readonly string[]
  begin(): State
  see(seen: Observation, state: State): void | Promise<void>
}

/** A configuration that computes everything, as a plain run does, and shows it; `sigmas` takes the noise level of each evaluation. */
function observing<State>(observer: Observer<State>, sigmas: number[]): CacheConfiguration {
  return configure<object, PerBranch<State>>(
    {
      id: 'Calibration',
      needs: (_, { depth }) => ({ cuts: [0, depth], taps: observer.taps }),
      start: () => new PerBranch(() => observer.begin()),
      evaluate(call, denoiser, states) {
        sigmas[call.index] = call.sigma
        return eachBranch(call, async (branch) => {
          const input = await denoiser.embed(call, branch)
          const output = await denoiser.blocks(input, 0, denoiser.facts.depth)
          const prediction = await denoiser.head(output)
          await observer.see({ call, branch, denoiser, input, output, prediction }, states.of(branch))
          return { prediction, trace: { decision: 'full' } }
        })
      },
    },
    {},
  )
}

export const calibrationRunInputs = {
  ...samplingInputs,
  runs: int({
    default: 1,
    min: 1,
    max: 1000,
    help: 'Seeds that each prompt is run with, counting up from seed. Each run is a whole uncached sampling run, and each latent of a batch counts as one.',
  }),
}

/** All runs of one calibration: every prompt with every seed. */
export interface CalibrationRuns extends Pick<
  SamplingRun,
  'model' | 'negative' | 'guidance' | 'latent' | 'sigmas' | 'sampler' | 'signal' | 'onStep'
> {
  /** Each is run by itself. */
  readonly prompts: readonly Conditioning[]
  readonly seed: bigint
  readonly runs: number
  /** Name of the schedule and number of its steps, for the record. */
  readonly scheduler: string
  readonly steps: number
}

/** The runs that a calibrator node's inputs describe. A list of several conditionings is several prompts. */
export function runsOf(values: Values<typeof calibrationRunInputs>, { signal, report }: RunContext): CalibrationRuns {
  const { positive: prompts, model, ...run } = samplingRun(values)
  const all = prompts.length * values.runs * (run.sigmas.length - 1)
  let done = 0
  return {
    ...{ model, ...run, prompts, signal },
    ...{ seed: values.seed, runs: values.runs, scheduler: values.scheduler, steps: values.steps },
    onStep: (step, total, denoised) => {
      watched(model.latent, report, { before: done, all }).onStep(step, total, denoised)
      if (step === total) done += total
    },
  }
}

/** Makes all runs under the observer; what they were, for the calibration. Throws what sampling throws, and when there is no step. */
export async function observe<State>(plan: CalibrationRuns, observer: Observer<State>): Promise<Conditions> {
  const { prompts, seed, runs, scheduler, steps, ...run } = plan
  if (run.sigmas.length < 2)
    throw new Error('calibration: expected at least one step to observe, denoise 0 leaves none')
  const sigmas: number[] = []
  for (const [index, prompt] of prompts.entries())
    for (let k = 0; k < runs; k++)
      await sample({
        ...run,
        positive: [prompt],
        noise: normalNoise(seed + BigInt(index * runs + k), run.latent.shape),
        cache: observing(observer, sigmas),
      })
  const [samples = 1, ...latent] = run.latent.shape
  const about = { sampler: run.sampler.name, scheduler, steps, guidance: run.guidance }
  return { ...about, runs: prompts.length * runs * samples, latent, sigmas }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Standard deviation over all values; 0 for one. */
export function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)))
}

/** A list of lists that grows as values come in by place. */
export class Columns {
  readonly #values: number[][] = []

  add(place: number, value: number): void {
    ;(this.#values[place] ??= []).push(value)
  }

  /** By place; places without a value are left out. */
  get all(): readonly (readonly number[])[] {
    return this.#values.filter((column) => column.length > 0)
  }
}

/** 'fitted on 32 runs of 30 simple euler steps at guidance 3' */
export const sourceOf = ({ runs, steps, scheduler, sampler, guidance, latent }: Conditions): string =>
  `fitted on ${runs} run${runs === 1 ? '' : 's'} of ${steps} ${scheduler} ${sampler} steps, guidance ${guidance}, latents ${latent.join('x')}`
