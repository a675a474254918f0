/** Knobs of nodes that compute the steps of a mask fixed before the run, and the mask that they describe. */
import type { RunFacts } from '../../../diffusion/caching/contract.ts'
import { evenly, everyNth, fromRuns, parseSteps, STEP_COMPUTATION_MASKS } from '../../../diffusion/caching/masks.ts'
import { choice, float, int, text, type Values } from '../../spec.ts'
import { calibratedMask, readMaskText } from '../calibration/masks.ts'

const MODES = ['interval', 'evenly', 'list', 'calibrated', 'scm-slow', 'scm-medium', 'scm-fast', 'scm-ultra'] as const
export type MaskMode = (typeof MODES)[number]

/** Which kind of mask. */
export const maskMode = (standard: MaskMode) =>
  choice(MODES, {
    default: standard,
    help:
      "Where the computed steps lie: every interval-th, count of them evenly, those of the list, calibrated ones, or one of cache-dit's step masks (18, 15, 11 and 8 of 28 " +
      'steps; other lengths are stretched in proportion). Calibrated are the best ones of CalibrateMask or of the shipped tables, and refused for other runs. The first step is always computed.',
  })

/** What the modes need. */
export const maskKnobs = {
  interval: int({
    default: 2,
    min: 1,
    max: 1000,
    help: 'With interval: every so many evaluations one is computed; 1 is off, 3 costs a third.',
  }),
  count: int({
    default: 10,
    min: 1,
    max: 10000,
    help: 'With evenly: how many evaluations are computed; each costs a whole run of the model.',
  }),
  steps: text({
    default: '0,1,2,4,6,9,12,17,24,28',
    help: "With list: the computed evaluations, from 0, as '0,1,2,5-8'. A list belongs to one model, number of steps and time shift.",
  }),
  share: float({
    default: 0.33,
    min: 0.01,
    max: 1,
    help: 'With calibrated: share of the steps to compute, and so of the cost; the nearest mask that was calibrated is taken.',
  }),
  calibration: text({
    default: '',
    multiline: true,
    optional: true,
    help: 'With calibrated: what CalibrateMask found for this model and run; empty takes the tables that come with the program.',
  }),
}

export type MaskKnobs = { readonly mode: MaskMode } & Values<typeof maskKnobs>

/** The evaluations of a run of `total` that the knobs have computed. Throws UnmetNeedsError where no calibrated mask fits the run. */
export function maskOf(method: string, knobs: MaskKnobs, total: number, run?: RunFacts): ReadonlySet<number> {
  const { mode } = knobs
  if (mode === 'interval') return new Set(everyNth(total, knobs.interval))
  if (mode === 'evenly') return new Set(evenly(total, Math.min(knobs.count, total)))
  if (mode === 'list') return new Set(parseSteps(knobs.steps).steps)
  if (mode === 'calibrated') return new Set(calibratedMask(method, knobs.calibration, knobs.share, run))
  const name = mode.slice('scm-'.length) as keyof typeof STEP_COMPUTATION_MASKS
  return new Set(fromRuns(STEP_COMPUTATION_MASKS[name], total))
}

/** What a list says of a run that it was not made for. */
export function maskCautions(method: string, knobs: MaskKnobs, run: RunFacts | undefined): string[] {
  if (knobs.mode !== 'list' || run?.sampler !== 'euler') return []
  const last = parseSteps(knobs.steps).steps.at(-1)
  const lastStep = run.sigmas.length - 2
  return last !== undefined && last > lastStep
    ? [
        `${method}: the list goes to ${last}, the run to ${lastStep}; a list made for more steps leaves the end uncomputed`,
      ]
    : []
}

function faultOfText(calibration: string): string | null {
  if (calibration.trim() === '') return null
  try {
    readMaskText(calibration)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Faults of literal inputs, by input. */
export function maskFaults(knobs: Partial<MaskKnobs>): Record<string, string> {
  const { mode, steps, calibration = '' } = knobs
  const { faults, steps: read } = parseSteps(steps ?? '')
  const empty = mode === 'list' && steps !== undefined && read.length === 0 && faults.length === 0
  const said = empty ? ['expected at least one step, as in 0,1,2,5-8'] : faults
  const fault = faultOfText(calibration)
  return { ...(said.length > 0 && { steps: said.join('; ') }), ...(fault !== null && { calibration: fault }) }
}
