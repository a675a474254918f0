/** Calibrated masks: lists of steps found for a model, sampler, number of steps, time shift and guidance, and refused for any other run. */
import { z } from 'zod'
import { readCalibration } from '../../../diffusion/caching/calibration.ts'
import { UnmetNeedsError, type RunFacts } from '../../../diffusion/caching/contract.ts'
import { bare, readFolder } from './tables.ts'

/** Noise levels further apart than this are other ones. */
const SAME_LEVEL = 1e-4
const NO_MASK =
  'Run CalibrateMask or `heddle bench mask` for this run, or choose a list, an interval or the controller.'

const Mask = z.strictObject({
  /** Rising, from 0. */
  steps: z.array(z.int().min(0)).min(1),
  /** Sum of the errors of its gaps, as the search saw them. */
  error: z.number(),
})

/** Masks of one kind of run, at several shares. */
const Entry = z.strictObject({
  sampler: z.string(),
  scheduler: z.string(),
  steps: z.int().min(1),
  /** Time shift of a flow model; null for other models. */
  shift: z.number().nullable(),
  guidance: z.number(),
  /** Uncached runs that the masks were found on, and the shape of their latents without the batch. */
  runs: z.int().min(1),
  latent: z.array(z.int().min(1)),
  /** Falling, one more than steps. */
  sigmas: z.array(z.number()).min(2),
  masks: z.array(Mask).min(1),
})
export type MaskEntry = z.infer<typeof Entry>

export const MaskTable = z.strictObject({
  method: z.literal('Mask'),
  model: z.string().min(1),
  /** Further names that files of this model have. */
  aliases: z.array(z.string()).default([]),
  entries: z.array(Entry).min(1),
})
export type MaskTable = z.infer<typeof MaskTable>

/** Of the folder tables/masks: a model is a file there. */
export const SHIPPED_MASKS: readonly MaskTable[] = readFolder('masks', MaskTable)

const decimals = (value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value

/** As text for a widget or a file. */
export const maskText = (table: MaskTable): string => JSON.stringify(table, (_, value: unknown) => decimals(value))

export const readMaskText = (text: string): MaskTable => readCalibration(text, MaskTable, 'CalibrateMask')

const sameLevels = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((level, i) => Math.abs(level - b[i]!) < SAME_LEVEL)

const fits = (entry: MaskEntry, run: RunFacts): boolean =>
  entry.sampler === run.sampler &&
  Math.abs(entry.guidance - run.guidance) < 1e-6 &&
  sameLevels(entry.sigmas, run.sigmas)

/** 'euler, 30 simple steps, shift 1, guidance 3' */
const spoken = ({ sampler, steps, scheduler, shift, guidance }: MaskEntry): string =>
  [
    `${sampler}, ${steps} ${scheduler} steps`,
    ...(shift === null ? [] : [`shift ${shift}`]),
    `guidance ${guidance}`,
  ].join(', ')

/** A level of the run at a share of its steps. */
const levelAt = (sigmas: readonly number[], share: number): number => sigmas[Math.round(share * (sigmas.length - 1))]!

/** How far an entry is from a run: each number of 1 is about another sampler, twice the steps, or other levels throughout. */
function distance(entry: MaskEntry, run: RunFacts): number {
  const steps = Math.abs(Math.log2((run.sigmas.length - 1) / entry.steps))
  const levels = [0, 0.25, 0.5, 0.75].map((at) => Math.abs(levelAt(run.sigmas, at) - levelAt(entry.sigmas, at)))
  const guidance = Math.abs(entry.guidance - run.guidance) / 4
  return (entry.sampler === run.sampler ? 0 : 1) + steps + guidance + Math.max(...levels)
}

function differences(entry: MaskEntry, run: RunFacts): string {
  const steps = run.sigmas.length - 1
  return [
    ...(entry.sampler === run.sampler ? [] : [`the sampler is ${run.sampler}`]),
    ...(entry.guidance === run.guidance ? [] : [`the guidance ${run.guidance}`]),
    ...(entry.steps === steps ? [] : [`the run has ${steps} steps`]),
    ...(entry.steps === steps && !sameLevels(entry.sigmas, run.sigmas)
      ? ['its noise levels are others (shift, schedule, denoise)']
      : []),
  ].join(', ')
}

/** The tables to look in: the text's alone where there is one, else the shipped ones of the model's name. */
function tablesFor(text: string, run: RunFacts): readonly MaskTable[] {
  const all = text.trim() === '' ? SHIPPED_MASKS : [readMaskText(text)]
  return all.filter(({ model, aliases }) => [model, ...aliases].some((name) => bare(run.model).includes(bare(name))))
}

/**
 * The mask whose share is nearest to `share` among those made for this run; `text` is a calibration, '' the shipped ones. Throws
 * UnmetNeedsError where there is none, and names the closest.
 */
export function calibratedMask(
  method: string,
  text: string,
  share: number,
  run: RunFacts | undefined,
): readonly number[] {
  if (!run) throw new UnmetNeedsError(`${method}: a calibrated mask needs to know the run. ${NO_MASK}`)
  const tables = tablesFor(text, run)
  const entries = tables.flatMap((table) => table.entries)
  const masks = entries.filter((entry) => fits(entry, run)).flatMap((entry) => entry.masks)
  const off = (steps: readonly number[]): number => Math.abs(steps.length / (run.sigmas.length - 1) - share)
  const [best] = [...masks].sort((a, b) => off(a.steps) - off(b.steps))
  if (best) return best.steps
  const [closest] = [...entries].sort((a, b) => distance(a, run) - distance(b, run))
  if (closest)
    throw new UnmetNeedsError(
      `${method}: no calibrated mask of '${run.model}' fits; the closest is for ${spoken(closest)}, but ${differences(closest, run)}. ${NO_MASK}`,
    )
  const models = text.trim() === '' ? SHIPPED_MASKS.map(({ model }) => model) : [readMaskText(text).model]
  throw new UnmetNeedsError(
    `${method}: there is no calibrated mask of the model '${run.model}', only of ${models.join(', ') || 'none'}. ${NO_MASK}`,
  )
}
