/** DiCache as it is published for batches, one decision for all samples: only to be compared with a decision for each. */
import { Anchors } from '../../diffusion/caching/residuals.ts'
import type { Branch, CacheConfiguration, Call, Denoiser, Evaluated, Hidden } from '../../diffusion/caching/contract.ts'
import { forcedBecause } from '../../diffusion/caching/forcing.ts'
import { meanAbs, meanAbsDifference, type Tensor } from '../../diffusion/tensor.ts'

/**
 * What the one decision goes by: 'mean', the drift over the tokens of all samples (as in the released scripts, which take the mean
 * over the batch), or 'any', computing as soon as one sample's own drift calls for it, so that none is served worse than alone.
 */
export type Rule = 'mean' | 'any'

export interface OneDecisionOptions {
  readonly rule: Rule
  readonly samples: number
  readonly threshold: number
  readonly warmUp: number
  readonly probeDepth: number
  readonly maxGain: number
}

/** Computed evaluations that an estimate is made from, as published. */
const ANCHORS = 2

/** How far one sample's probes moved, and how large they were. */
interface Moved {
  readonly sample: number
  readonly apart: number
  readonly size: number
}

/** Where all samples of a batch wait for each other: the last one to come settles it for all. */
class Meeting<Verdict> {
  readonly #samples: number
  readonly #settle: (all: readonly Moved[]) => Verdict
  #present: { readonly moved: Moved; readonly resolve: (verdict: Verdict) => void }[] = []

  constructor(samples: number, settle: (all: readonly Moved[]) => Verdict) {
    this.#samples = samples
    this.#settle = settle
  }

  attend(moved: Moved): Promise<Verdict> {
    return new Promise((resolve) => {
      this.#present.push({ moved, resolve })
      if (this.#present.length < this.#samples) return
      const all = this.#present
      this.#present = []
      const verdict = this.#settle(all.map((one) => one.moved))
      all.forEach((one) => one.resolve(verdict))
    })
  }
}

/** The drift summed since the last computed evaluation, of the batch or of each sample, and the decision it leads to. */
class Gate {
  readonly #options: OneDecisionOptions
  readonly #sums = new Map<number, number>()

  constructor(options: OneDecisionOptions) {
    this.#options = options
  }

  /** True to skip; otherwise the sums start again. */
  skips(all: readonly Moved[]): boolean {
    const { rule, threshold } = this.#options
    const drifts =
      rule === 'any'
        ? all.map(({ sample, apart, size }) => [sample, apart / size] as const)
        : [[-1, all.reduce((sum, { apart }) => sum + apart, 0) / all.reduce((sum, { size }) => sum + size, 0)] as const]
    for (const [key, drift] of drifts) this.#sums.set(key, (this.#sums.get(key) ?? 0) + drift)
    const skips = [...this.#sums.values()].every((sum) => sum < threshold)
    if (!skips) this.#sums.clear()
    return skips
  }
}

interface BranchState {
  before: Tensor | null
  readonly anchors: Anchors
}

async function answer(
  denoiser: Denoiser,
  probed: { readonly input: Hidden; readonly probe: Hidden; readonly state: BranchState },
  skip: boolean,
  { probeDepth, maxGain }: OneDecisionOptions,
): Promise<Evaluated> {
  const { input, probe, state } = probed
  if (skip) {
    const { image } = state.anchors.estimate(input.image, probe.image, { min: 1, max: maxGain })
    return { prediction: await denoiser.head({ ...input, image }), trace: { decision: 'skipped' } }
  }
  const output = await denoiser.blocks(probe, probeDepth, denoiser.facts.depth)
  state.anchors.add({ input: input.image, probed: probe.image, output: output.image })
  return { prediction: await denoiser.head(output), trace: { decision: 'resumed' } }
}

/** The evaluator of one sample; `meeting` is shared by all of the batch. */
function evaluator(options: OneDecisionOptions, meeting: Meeting<boolean>) {
  const states = new Map<Branch, BranchState>()
  return async (call: Call, denoiser: Denoiser): Promise<ReadonlyMap<Branch, Evaluated>> => {
    const probed = await Promise.all(
      call.branches.map(async (branch) => {
        const state = states.get(branch) ?? { before: null, anchors: new Anchors(ANCHORS) }
        states.set(branch, state)
        const input = await denoiser.embed(call, branch)
        return { branch, state, input, probe: await denoiser.blocks(input, 0, options.probeDepth) }
      }),
    )
    const forcing = { warmUp: options.warmUp, warmUpRule: 'through', forceLast: true, start: 0, end: 1 } as const
    const forced = forcedBecause(call, 'cond', forcing) !== null
    const sum = (of: (probe: Tensor, before: Tensor) => number) =>
      probed.reduce((total, { probe, state }) => total + (state.before ? of(probe.image, state.before) : 0), 0)
    const moved = { sample: call.sample, apart: sum(meanAbsDifference), size: sum((_, before) => meanAbs(before)) }
    const skip = !forced && (await meeting.attend(moved))
    for (const { probe, state } of probed) state.before = { ...probe.image, data: probe.image.data.slice() }
    const answers = probed.map(async (one) => [one.branch, await answer(denoiser, one, skip, options)] as const)
    return new Map(await Promise.all(answers))
  }
}

/** A cache for a batch of exactly `samples` samples. */
export function oneDecision(options: OneDecisionOptions): CacheConfiguration {
  return {
    method: 'DiCache, one decision per batch',
    params: { ...options },
    needs: ({ depth }) => ({ cuts: [0, options.probeDepth, depth] }),
    with: (changes) => oneDecision({ ...options, ...changes }),
    bind() {
      const gate = new Gate(options)
      const meeting = new Meeting(options.samples, (all) => gate.skips(all))
      return () => evaluator(options, meeting)
    },
  }
}
