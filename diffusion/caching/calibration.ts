/** Calibrations: what a table-driven caching method has to know of a model beforehand, as text that a workflow can keep. */
import { z } from 'zod'

/** The sampling runs that a calibration was fitted on. */
const Conditions = z.strictObject({
  sampler: z.string(),
  scheduler: z.string(),
  steps: z.int().min(1),
  guidance: z.number(),
  /** Prompts times seeds. */
  runs: z.int().min(1),
  /** Shape of the latents without the batch: [C, H, W], video [C, F, H, W]. */
  latent: z.array(z.int().min(1)),
  /** Noise level of each evaluation, in order. */
  sigmas: z.array(z.number()).min(2),
})
export type Conditions = z.infer<typeof Conditions>

const about = {
  /** Name of the model it belongs to. */
  model: z.string().min(1),
  /** What it was fitted on, or who published it. */
  source: z.string(),
  /** Absent for published numbers, which come without them. */
  conditions: Conditions.optional(),
}

/** What TeaCache can take as its signal; the names of a model's taps. */
export const SIGNALS = ['modulated input', 'time embedding', 'time projection'] as const
export type Signal = (typeof SIGNALS)[number]

/** TeaCache (arXiv 2411.19108, section 3.3): relative change of the signal to that of the output. */
export const TeaCacheCalibration = z.strictObject({
  method: z.literal('TeaCache'),
  ...about,
  signal: z.enum(SIGNALS),
  /** Of a polynomial, highest power first. */
  coefficients: z.array(z.number()).min(1).max(9),
  /** Least and greatest change of the signal that the fit has seen. */
  range: z.tuple([z.number().min(0), z.number().positive()]).optional(),
  fit: z.strictObject({ pairs: z.int(), r2: z.number(), rms: z.number() }).optional(),
})
export type TeaCacheCalibration = z.infer<typeof TeaCacheCalibration>

const Ratios = z.array(z.number().positive()).min(2)

/** MagCache (arXiv 2506.09045, section 3.1): how many times longer the residual of an evaluation is than that of the one before. */
export const MagCacheCalibration = z
  .strictObject({
    method: z.literal('MagCache'),
    ...about,
    /** By evaluation; the first, which has none before it, is 1. Where the branches agree only `cond` is given. */
    ratios: z.strictObject({ cond: Ratios, uncond: Ratios.optional() }),
    /** Largest standard deviation of a ratio between the runs. */
    spread: z.number().optional(),
  })
  .refine(
    ({ ratios, conditions }) =>
      (ratios.uncond?.length ?? ratios.cond.length) === ratios.cond.length &&
      (conditions?.sigmas.length ?? ratios.cond.length) === ratios.cond.length,
    'ratios: expected as many for each branch as there are noise levels',
  )
export type MagCacheCalibration = z.infer<typeof MagCacheCalibration>

const Sensitivities = z.array(z.number().min(0)).min(1)

/** SenCache (arXiv 2602.24208): how much the output moves per movement of the latent, and per movement of the timestep. */
export const SenCacheCalibration = z
  .strictObject({
    method: z.literal('SenCache'),
    ...about,
    /** Noise levels of the points. */
    sigmas: z.array(z.number()).min(1),
    /** |output moved| / |latent moved|, Euclidean. */
    latent: Sensitivities,
    /** |output moved| / timesteps moved, a timestep being 1/1000 of sigma. */
    time: Sensitivities,
    /** Largest standard deviation of a point between the runs, as a share of its mean. */
    spread: z.number().optional(),
  })
  .refine(
    ({ sigmas, latent, time }) => latent.length === sigmas.length && time.length === sigmas.length,
    'latent, time: expected one value for each of the sigmas',
  )
export type SenCacheCalibration = z.infer<typeof SenCacheCalibration>

/** Schemas by the method that they calibrate. */
const CALIBRATIONS = {
  TeaCache: TeaCacheCalibration,
  MagCache: MagCacheCalibration,
  SenCache: SenCacheCalibration,
} as const
export type Calibration = TeaCacheCalibration | MagCacheCalibration | SenCacheCalibration

const HINT = 'Take the text from a calibrator node, or leave it empty.'

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`calibration: expected JSON, ${error instanceof Error ? error.message : String(error)}. ${HINT}`)
  }
}

/** Reads the calibration of one method. Throws one error that lists every fault of the text. */
export function readCalibration<T>(text: string, schema: z.ZodType<T>, method: string): T {
  const parsed = schema.safeParse(fromJson(text))
  if (parsed.success) return parsed.data
  throw new Error(`calibration: expected one of ${method}. ${z.prettifyError(parsed.error)} ${HINT}`)
}

/** Reads a calibration of whichever method it says it belongs to. Throws as `readCalibration` does. */
export function readAnyCalibration(text: string): Calibration {
  return readCalibration(text, z.union(Object.values(CALIBRATIONS)), 'TeaCache, MagCache or SenCache')
}

/** As text for a widget: numbers cut to six digits, which is more than a fit knows. */
export const calibrationText = (calibration: Calibration): string =>
  JSON.stringify(calibration, (_, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value,
  )

/** Python's and numpy's rounding: halves go to the even neighbour. `value` is 0 or above. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  if (rest !== 0.5) return Math.round(value)
  return below % 2 === 0 ? below : below + 1
}

/** The value at `x` on straight lines through the points (xs[i], ys[i]), xs rising; the end values beyond the ends. */
export function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  const above = xs.findIndex((known) => known >= x)
  if (above === 0) return ys[0]!
  if (above < 0) return ys[ys.length - 1]!
  const share = (x - xs[above - 1]!) / (xs[above]! - xs[above - 1]!)
  return ys[above - 1]! + share * (ys[above]! - ys[above - 1]!)
}
