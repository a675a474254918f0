/** Inputs that the calibrated methods share, and what their presets leave to them. */
import type { Calibration } from '../../../diffusion/caching/calibration.ts'
import { taylor, type Forecast } from '../../../diffusion/caching/estimators.ts'
import type { z } from 'zod'
import { readCalibration } from '../../../diffusion/caching/calibration.ts'
import { choice, float, int, text, toggle } from '../../spec.ts'
import { tableNames, type Table } from './tables.ts'

/** Which calibration, of the tables that a method has. */
export const calibrationInputs = (method: string, tables: readonly Table<Calibration, unknown, unknown>[]) => ({
  table: choice(tableNames(tables), {
    default: 'auto',
    help: `Whose numbers to use: auto goes by the name of the model and refuses a model that has none. The numbers of another model are a guess.`,
  }),
  calibration: text({
    default: '',
    multiline: true,
    optional: true,
    help: `What Calibrate${method} found for this model and sampler; goes before the table. Wire it, or paste its text, which the workflow then keeps.`,
  }),
})

export const enabledInput = toggle({
  default: true,
  help: 'Off computes everything: exactly the picture of a run without this node.',
})

export const forecastInput = int({
  default: 0,
  min: 0,
  max: 2,
  help: 'What a skip adds to the tokens: 0 the last computed residual, 1 or 2 its Taylor forecast of that order (TaylorSeer). Each order keeps one more token tensor per sample and branch.',
})

/** Along the evaluations, as TaylorSeer does. */
export const forecastOf = (order: number): Forecast => taylor(order)

export const windowInputs = {
  force_last: toggle({ default: true, help: 'Always compute the last evaluation, which sets the finest detail.' }),
  start: float({ default: 0, min: 0, max: 1, help: 'Share of the noise range after which skipping may begin.' }),
  end: float({
    default: 1,
    min: 0,
    max: 1,
    help: 'Share of the noise range after which everything is computed again.',
  }),
}

const faultOfText = <T>(value: string, schema: z.ZodType<T>, method: string): string | null => {
  try {
    readCalibration(value, schema, method)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Faults of literal inputs: a window that ends before it starts, a calibration that cannot be read. */
export function faultsOf<T>(
  { start, end, calibration }: { readonly start?: number; readonly end?: number; readonly calibration?: string },
  schema: z.ZodType<T>,
  method: string,
): Readonly<Record<string, string>> | undefined {
  const unread =
    calibration === undefined || calibration.trim() === '' ? null : faultOfText(calibration, schema, method)
  const empty = start !== undefined && end !== undefined && start > end
  if (unread === null && !empty) return undefined
  return {
    ...(unread === null ? {} : { calibration: unread }),
    ...(empty ? { end: `the window ends at ${end}, before it starts at ${start}: nothing could be skipped` } : {}),
  }
}
