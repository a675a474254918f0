/** Knobs that several caching nodes have: the on-off switch, the window, and what stands in for a skipped part. */
import type { Forecast } from '../../../diffusion/caching/estimators.ts'
import { choice, float, int, toggle, type Values } from '../../spec.ts'

export const switchKnobs = {
  enabled: toggle({ default: true, help: 'Off computes everything: exactly the picture of a run without this node.' }),
}

export const windowKnobs = {
  force_last: toggle({ default: true, help: 'Always compute the last evaluation, which sets the finest detail.' }),
  start: float({ default: 0, min: 0, max: 1, help: 'Share of the noise range after which skipping may begin.' }),
  end: float({
    default: 1,
    min: 0,
    max: 1,
    help: 'Share of the noise range after which everything is computed again.',
  }),
}

/** What a skip uses, as the node's user is to find it set; `reach` 0 is without limit. */
export interface ForecastDefaults {
  readonly order: number
  readonly axis: Forecast['axis']
  readonly reach: number
}

export const forecastKnobsFrom = (standard: ForecastDefaults) => ({
  forecast: int({
    default: standard.order,
    min: 0,
    max: 4,
    help: 'What a skip uses: 0 the last computed result, 1 a line through the last two, 2 a curve, ... (TaylorSeer). Each order keeps one more copy of the tokens; above 1 it easily overshoots.',
  }),
  forecast_axis: choice(['calls', 'sigma'], {
    default: standard.axis,
    help: 'What the line runs along: model evaluations, as published, or noise levels, which knows of uneven steps.',
  }),
  forecast_reach: float({
    default: standard.reach,
    min: 0,
    max: 10,
    step: 0.1,
    help: 'How far a forecast goes past the newest computed result, in lengths of the gap before it; 0 is without limit, as published. 0.5 is safer with few steps.',
  }),
})

/** Of methods that were published without a forecast. */
export const forecastKnobs = forecastKnobsFrom({ order: 0, axis: 'calls', reach: 0 })

/** The forecast that the knobs describe. */
export const forecastOf = (knobs: Values<typeof forecastKnobs>): Forecast => ({
  order: knobs.forecast,
  axis: knobs.forecast_axis,
  reach: knobs.forecast_reach === 0 ? Infinity : knobs.forecast_reach,
  slopesFrom: 0,
})

/** Faults of a window whose ends are known. */
export const windowFaults = (start: number | undefined, end: number | undefined): Record<string, string> | undefined =>
  start !== undefined && end !== undefined && start > end
    ? { end: `the window ends at ${end}, before it starts at ${start}: nothing could be skipped` }
    : undefined
