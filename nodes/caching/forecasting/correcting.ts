/** Which runs' skipped steps can be corrected in hindsight, and which are worth it. */
import type { RunFacts } from '../../../diffusion/caching/contract.ts'

/** Samplers whose steps are x + (sigma' - sigma) dx/dsigma of their one evaluation: those that a correction can be folded into. */
const STRAIGHT: ReadonlySet<string> = new Set(['euler', 'ddim'])

/** Computed steps from which a correction is worth its risk; with eight of thirty it lost 1 to 2 dB on a 12-block model, with ten it won. */
export const ENOUGH_TO_CORRECT = 10
/** Steps of a run of which the controller computes about as many at its default. */
const ENOUGH_STEPS = 30

/** Why this run's steps cannot be corrected, or null. */
export function uncorrectable(run: RunFacts | undefined): string | null {
  if (!run || !STRAIGHT.has(run.sampler))
    return (
      `the steps of ${run ? `'${run.sampler}'` : 'an unknown sampler'} are not those that a correction is made for; ` +
      `choose the sampler ${[...STRAIGHT].join(' or ')}, or corrector auto or off (forecasts alone suit every sampler)`
    )
  return run.predicts === 'v'
    ? 'a model that predicts v does not predict the slope of its path; choose corrector auto or off'
    : null
}

/** Whether `corrector` auto corrects a run; `computed` is the number of steps computed, null where that is not known before. */
export const isWorthCorrecting = (run: RunFacts | undefined, computed: number | null): boolean =>
  run !== undefined &&
  uncorrectable(run) === null &&
  (computed === null ? run.sigmas.length > ENOUGH_STEPS : computed >= ENOUGH_TO_CORRECT)
