/** Inputs by which a method is told its calibration, and their faults. */
import type { z } from 'zod'
import { readCalibration, type Calibration } from '../../../diffusion/caching/calibration.ts'
import { choice, text } from '../../spec.ts'
import { windowFaults } from '../knobs/residual.ts'
import { tableNames, type Table } from './tables.ts'

/** Which calibration, of the tables that a method has. */
export const calibrationInputs = (method: string, tables: readonly Table<Calibration, unknown, unknown>[]) => ({
  table: choice(tableNames(tables), {
    default: 'auto',
    help: 'Whose numbers to use: auto goes by the name of the model and refuses a model that has none. The numbers of another model are a guess.',
  }),
  calibration: text({
    default: '',
    multiline: true,
    optional: true,
    help: `What Calibrate${method} found for this model and sampler; goes before the table. Wire it, or paste its text, which the workflow then keeps.`,
  }),
})

function faultOfText<T>(value: string, schema: z.ZodType<T>, method: string): Record<string, string> | undefined {
  if (value.trim() === '') return undefined
  try {
    readCalibration(value, schema, method)
    return undefined
  } catch (error) {
    return { calibration: error instanceof Error ? error.message : String(error) }
  }
}

/** Faults of literal inputs: a window that ends before it starts, a calibration that cannot be read. */
export function faultsOf<T>(
  { start, end, calibration = '' }: { readonly start?: number; readonly end?: number; readonly calibration?: string },
  schema: z.ZodType<T>,
  method: string,
): Readonly<Record<string, string>> | undefined {
  const faults = { ...windowFaults(start, end), ...faultOfText(calibration, schema, method) }
  return Object.keys(faults).length > 0 ? faults : undefined
}
