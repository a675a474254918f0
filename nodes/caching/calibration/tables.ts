/** Which calibration a method uses: one from a link or a widget, or a table of this folder's, by model. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { UnmetNeedsError, type RunFacts } from '../../../diffusion/caching/contract.ts'
import { readCalibration, type Calibration, type Conditions } from '../../../diffusion/caching/calibration.ts'

const FOLDER = join(import.meta.dirname, '../tables')

/** A calibration with the settings that its authors published for that model. */
export interface Table<C extends Calibration, Official, Paper> {
  /** Further names that files of this model have. */
  readonly aliases: readonly string[]
  readonly official: Official | null
  readonly paper: Paper | null
  readonly calibration: C
}

/** Reads `tables/<folder>/*.json` in order of name, none where there is no such folder. Throws for a file that does not fit the schema. */
export function readFolder<T>(folder: string, schema: z.ZodType<T>): readonly T[] {
  // A folder that has no file yet is not in a fresh checkout.
  const names = existsSync(join(FOLDER, folder)) ? readdirSync(join(FOLDER, folder)) : []
  const files = names.filter((file) => file.endsWith('.json'))
  return files.sort().map((file) => {
    const parsed = schema.safeParse(JSON.parse(readFileSync(join(FOLDER, folder, file), 'utf8')))
    if (!parsed.success) throw new Error(`tables/${folder}/${file}: ${z.prettifyError(parsed.error)}`)
    return parsed.data
  })
}

/** Reads `tables/<folder>/*.json`, none where there is no such folder: a new model is one new file there. Throws for a file that does not fit its schema. */
export function readTables<C extends Calibration, Official, Paper>(
  folder: string,
  schemas: {
    readonly calibration: z.ZodType<C>
    readonly official: z.ZodType<Official>
    readonly paper: z.ZodType<Paper>
  },
): readonly Table<C, Official, Paper>[] {
  const schema = z.strictObject({
    aliases: z.array(z.string()),
    official: schemas.official.nullable().default(null),
    paper: schemas.paper.nullable().default(null),
    calibration: schemas.calibration,
  })
  return readFolder(folder, schema)
}

/** Letters and digits alone, without the endings of model files. */
export const bare = (name: string): string =>
  name
    .toLowerCase()
    .replace(/\.(safetensors|sft|gguf)$/, '')
    .replace(/[^a-z0-9]/g, '')

/** The table whose name or alias is the longest that the model's name contains. */
function byModel<T extends Table<Calibration, unknown, unknown>>(tables: readonly T[], model: string): T | null {
  const found = tables
    .map((table) => {
      const names = [table.calibration.model, ...table.aliases].map(bare).filter((name) => bare(model).includes(name))
      return { table, length: Math.max(0, ...names.map((name) => name.length)) }
    })
    .filter(({ length }) => length > 0)
    .sort((a, b) => b.length - a.length)
  return found[0]?.table ?? null
}

/** The inputs by which a user says which calibration to use. */
export interface Choice {
  /** 'auto' goes by the model's name. */
  readonly table: string
  /** A calibrator's text, which goes before any table; empty for none. */
  readonly calibration: string
}

/** Names of tables for a node's list. */
export const tableNames = (tables: readonly Table<Calibration, unknown, unknown>[]): readonly string[] => [
  'auto',
  ...tables.map(({ calibration }) => calibration.model),
]

function fromText<C extends Calibration>(text: string, schema: z.ZodType<C>, method: string, run?: RunFacts): C {
  const calibration = readCalibration(text, schema, method)
  if (run && bare(calibration.model) !== bare(run.model))
    throw new UnmetNeedsError(
      `${method}: the calibration belongs to '${calibration.model}', the model is '${run.model}'. Calibrate this model, or choose a table.`,
    )
  return calibration
}

/** The table to use. Throws UnmetNeedsError when there is none for the model, or the calibration is another model's. */
export function chooseTable<C extends Calibration, Official, Paper>(
  method: string,
  tables: readonly Table<C, Official, Paper>[],
  schema: z.ZodType<C>,
  { table, calibration }: Choice,
  run?: RunFacts,
): Table<C, Official, Paper> {
  if (calibration.trim() !== '')
    return { aliases: [], official: null, paper: null, calibration: fromText(calibration, schema, method, run) }
  const chosen =
    table === 'auto'
      ? byModel(tables, run?.model ?? '')
      : (tables.find((one) => one.calibration.model === table) ?? null)
  if (chosen) return chosen
  throw new UnmetNeedsError(
    `${method}: there is no table for the model '${run?.model ?? 'unknown'}'. Wire a Calibrate${method} node's output into ` +
      `'calibration', or choose the table of a model that is close to it: ${tableNames(tables).slice(1).join(', ')}.`,
  )
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) < 1e-4)

function differences(fitted: Conditions, run: RunFacts): string[] {
  // Second-order samplers evaluate the model at the same levels as first-order ones, some of them twice.
  const levels = [...new Set(fitted.sigmas)].sort((a, b) => b - a)
  const steps = run.sigmas.length - 1
  return [
    ...(fitted.sampler === run.sampler ? [] : [`sampler ${fitted.sampler}, now ${run.sampler}`]),
    ...(fitted.guidance === run.guidance ? [] : [`guidance ${fitted.guidance}, now ${run.guidance}`]),
    ...(same(levels.slice(0, steps), run.sigmas.slice(0, steps)) && levels.length >= steps
      ? []
      : [`${fitted.steps} ${fitted.scheduler} steps, now ${steps} other noise levels`]),
  ]
}

/** What the user should know of a calibration's distance from the run; `effect` says what follows from other noise levels. */
export function cautionsOf(
  method: string,
  table: Table<Calibration, unknown, unknown>,
  effect: string,
  run?: RunFacts,
): string[] {
  if (!run) return []
  const { model, conditions } = table.calibration
  const other = conditions ? differences(conditions, run) : []
  return [
    ...(byModel([table], run.model) ? [] : [`${method} uses the table of ${model} on '${run.model}'`]),
    ...(other.length > 0 ? [`${method} was calibrated with ${other.join('; ')}: ${effect}`] : []),
  ]
}
