/** Finds masks on uncached runs: records the guided predictions of a calibration's runs and searches them. */
import type { Branch, Call } from '../../../diffusion/caching/contract.ts'
import {
  bestMask,
  gapErrors,
  type FoundMask,
  type GapError,
  type GapRule,
  type RecordedRun,
} from '../../../diffusion/caching/mask-search.ts'
import { evenly } from '../../../diffusion/caching/masks.ts'
import { lerp, type Tensor } from '../../../diffusion/tensor.ts'
import type { MaskEntry, MaskTable } from './masks.ts'
import { observe, type CalibrationRuns } from './runs.ts'

/** Guided predictions of every sample of every run, in order. Throws for samplers that do not evaluate once a step. */
export async function recordRuns(plan: CalibrationRuns): Promise<readonly RecordedRun[]> {
  const total = plan.sigmas.length - 1
  if (plan.sampler.evaluations(plan.sigmas) !== total)
    throw new Error(
      `CalibrateMask, sampler_name: ${plan.sampler.name} evaluates the model more than once a step; expected one that does once, such as euler or dpmpp_2m`,
    )
  const byCall = new Map<Call, Map<Branch, Tensor>>()
  await observe(plan, {
    taps: [],
    begin: () => null,
    see({ call, branch, prediction: { data, shape } }) {
      const seen = byCall.get(call) ?? new Map<Branch, Tensor>()
      byCall.set(call, seen.set(branch, { data: data.slice(), shape }))
    },
  })
  const runs: Tensor[][] = []
  const ofSample = new Map<number, Tensor[]>()
  for (const [call, seen] of byCall) {
    if (call.index === 0) {
      const fresh: Tensor[] = []
      ofSample.set(call.sample, fresh)
      runs.push(fresh)
    }
    const [cond, uncond] = [seen.get('cond')!, seen.get('uncond')]
    ofSample.get(call.sample)!.push(uncond ? lerp(uncond, cond, call.guidance) : cond)
  }
  return runs.map((predictions) => ({ sigmas: plan.sigmas, predictions }))
}

export interface CalibratedMask extends FoundMask {
  /** What as many steps, evenly spaced, would have left. */
  readonly evenly: number
}

/** The error of a given mask. */
const errorOf = (steps: readonly number[], total: number, error: GapError): number =>
  steps.reduce((sum, from, i) => sum + error(steps[i - 1] ?? null, from, steps[i + 1] ?? total), 0)

/** The best mask of `count` steps of recorded runs. Throws for a count that the runs cannot have. */
export function searchMask(
  runs: readonly RecordedRun[],
  count: number,
  rule: GapRule,
  forceLast: boolean,
): CalibratedMask {
  const total = runs[0]!.predictions.length
  if (count > total)
    throw new Error(`CalibrateMask, count: expected at most the ${total} steps of the run, received ${count}`)
  const error = gapErrors(runs, rule)
  return { ...bestMask(total, count, error, forceLast), evenly: errorOf(evenly(total, count), total, error) }
}

/** What the masks of these runs are tied to. */
export function maskEntry(plan: CalibrationRuns, runs: readonly RecordedRun[], masks: readonly FoundMask[]): MaskEntry {
  const { sampler, scheduler, steps, guidance, sigmas, model, latent } = plan
  const { parametrisation } = model
  return {
    ...{ sampler: sampler.name, scheduler, steps, guidance },
    shift: parametrisation.kind === 'flow' ? parametrisation.shift : null,
    ...{ runs: runs.length, latent: latent.shape.slice(1), sigmas: [...sigmas] },
    masks: masks.map(({ steps: found, error }) => ({ steps: [...found], error })),
  }
}

/** A calibration of one kind of run, as a node gives it. */
export const maskTable = (
  plan: CalibrationRuns,
  runs: readonly RecordedRun[],
  masks: readonly FoundMask[],
): MaskTable => ({
  ...{ method: 'Mask', model: plan.model.name, aliases: [] },
  entries: [maskEntry(plan, runs, masks)],
})
