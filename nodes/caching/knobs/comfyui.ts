/** The inputs that ComfyUI's EasyCache and LazyCache have, and its window from percent to noise levels. */
import type { Parametrisation } from '../../../diffusion/families/contract.ts'
import { noiseLevels } from '../../../diffusion/noise-levels.ts'
import { port } from '../../ports.ts'
import { float, toggle } from '../../spec.ts'

export const comfyInputs = {
  model: port('MODEL', { help: 'Put this node after those that change the time shift: the window is reckoned here.' }),
  reuse_threshold: float({
    default: 0.2,
    min: 0,
    max: 3,
    step: 0.01,
    help: 'Summed change of the output, foretold from the input, at which the model runs again. Higher is faster and less faithful; 0 is off.',
  }),
  start_percent: float({
    default: 0.15,
    min: 0,
    max: 1,
    step: 0.01,
    help: 'Share of the training timesteps after which skipping may begin. The layout of a picture is settled before.',
  }),
  end_percent: float({
    default: 0.95,
    min: 0,
    max: 1,
    step: 0.01,
    help: 'Share of the training timesteps after which everything is computed again: the finest detail is set there.',
  }),
  verbose: toggle({
    default: false,
    help: "Changes nothing here: what ComfyUI would print, the sampler's report always holds.",
  }),
}

export const optionalSwitch = toggle({
  default: true,
  optional: true,
  help: 'Off computes everything: exactly the picture of a run without this node.',
})

/** Noise levels between which a method is active: sigma <= start and > end. */
export interface SigmaWindow {
  readonly start_sigma: number
  readonly end_sigma: number
}

/** Above every noise level of a model with a table of them, as ComfyUI has it. */
const ABOVE_ALL = 999999999.9

/** ComfyUI's percent_to_sigma: the noise level at that share of the way from noise to clean. */
export function windowOf(start: number, end: number, parametrisation: Parametrisation): SigmaWindow {
  const { at } = noiseLevels(parametrisation)
  const top = parametrisation.kind === 'flow' ? 1 : ABOVE_ALL
  const sigma = (percent: number) => (percent <= 0 ? top : percent >= 1 ? 0 : at(1 - percent))
  return { start_sigma: sigma(start), end_sigma: sigma(end) }
}

/** Whether a method is active at `sigma`; 1 part in a million is allowed for float32 noise levels. */
export const isInside = (sigma: number, { start_sigma: start, end_sigma: end }: SigmaWindow): boolean =>
  sigma <= start * (1 + 1e-6) && sigma > end * (1 + 1e-6)

/** Faults of a window whose ends are known. */
export const percentFaults = (
  start: number | undefined,
  end: number | undefined,
): Record<string, string> | undefined =>
  start !== undefined && end !== undefined && start > end
    ? { end_percent: `the window ends at ${end}, before it starts at ${start}: nothing could be skipped` }
    : undefined
