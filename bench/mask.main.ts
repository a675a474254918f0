/** `heddle bench mask`: finds the best masks of steps for a model anew, and writes them where ForecastCache and StepMask find them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { openCheckpoint } from '../diffusion/families/checkpoint.ts'
import type { Checkpoint } from '../diffusion/families/contract.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import { zeros } from '../diffusion/tensor.ts'
import type { CalibrationRuns } from '../nodes/caching/calibration/runs.ts'
import { maskEntry, recordRuns, searchMask } from '../nodes/caching/calibration/mask-runs.ts'
import type { MaskEntry } from '../nodes/caching/calibration/masks.ts'
import { ENOUGH_TO_CORRECT } from '../nodes/caching/forecasting/correcting.ts'
import { writeMasks } from './mask-file.ts'
import { Progress, spoken } from './progress.ts'
import { shifted } from './shift.ts'

const ROOT = join(import.meta.dirname, '..')
/** Of the first caption's noise; far from the seeds of `heddle bench cache`. */
const SEED = 500_000n

const numbers =
  (least: number, kind: 'whole' | 'any') =>
  (text: string): readonly number[] => {
    const values = text.split(',').map(Number)
    if (values.length > 0 && values.every((value) => value >= least && (kind === 'any' || Number.isInteger(value))))
      return values
    throw new InvalidArgumentError(
      `expected ${kind === 'any' ? 'numbers' : 'whole numbers'} of ${least} or more, with commas between`,
    )
  }
const one = (least: number, kind: 'whole' | 'any') => (text: string) => numbers(least, kind)(text)[0]!

const options = new Command('heddle bench mask')
  .description(
    'Finds the best masks of steps for a model on a few uncached captions, and writes them beside the nodes.',
  )
  .option('--model <folder>', 'diffusers folder', join(ROOT, 'models/heddle-flux-mini'))
  .option(
    '--caption-file <file>',
    'JSON list of texts; by default some that `heddle bench cache` does not use',
    join(import.meta.dirname, 'calibration-captions.json'),
  )
  .option('--captions <n>', 'how many of them', one(1, 'whole'), 16)
  .option('--steps <list>', 'steps of the runs, with commas between', numbers(2, 'whole'), [20, 30, 50])
  .option('--shifts <list>', 'time shifts; default: the own one of the model', numbers(0.01, 'any'))
  .option('--shares <list>', 'shares of the steps to compute', numbers(0.01, 'any'), [0.25, 0.3334, 0.42, 0.5, 0.6667])
  .option('--weight <w>', 'power of sigma by which errors count; default: 0.5 up to shift 1, 0 above', one(0, 'any'))
  .option('--reach <r>', "how far forecasts go, in gaps; ForecastCache's is 0.5", one(0, 'any'), 0.5)
  .option('--sampler <name>', 'a sampler that evaluates once a step', 'euler')
  .option('--scheduler <name>', 'how the noise levels are spaced', 'simple')
  .option('--guidance <g>', 'guidance scale', Number, 3)
  .option('--size <pixels>', 'edge of the pictures', one(16, 'whole'), 128)
  .option('--tables <folder>', 'where the masks go', join(ROOT, 'nodes/caching/tables'))
  .parse()
  .opts<{
    model: string
    captionFile: string
    captions: number
    steps: readonly number[]
    shifts?: readonly number[]
    shares: readonly number[]
    weight?: number
    reach: number
    sampler: string
    scheduler: string
    guidance: number
    size: number
    tables: string
  }>()

async function readCaptions(): Promise<readonly string[]> {
  const captions = z
    .array(z.string())
    .min(1)
    .parse(JSON.parse(await readFile(options.captionFile, 'utf8')))
  return captions.slice(0, options.captions)
}

/** The registered thing of this name; throws one that names what there is. */
function named<T>(what: string, registry: ReadonlyMap<string, T>, name: string): T {
  const found = registry.get(name)
  if (!found) throw new Error(`mask: no ${what} '${name}'; there is ${[...registry.keys()].join(', ')}`)
  return found
}

/** What all runs have in common. */
async function common({ clip, vae, model }: Checkpoint, captions: readonly string[]) {
  const edge = options.size / vae.factor
  return {
    prompts: await Promise.all(captions.map((text) => clip.encode(text))),
    negative: [await clip.encode('')],
    guidance: options.guidance,
    latent: zeros([1, model.latent.channels, edge, edge]),
    sampler: named('sampler', samplers, options.sampler),
    ...{ scheduler: options.scheduler, seed: SEED, runs: 1 },
    signal: new AbortController().signal,
  }
}

/** The runs of each number of steps at each shift. */
async function plans(checkpoint: Checkpoint): Promise<readonly CalibrationRuns[]> {
  const shared = await common(checkpoint, await readCaptions())
  const schedule = named('schedule', schedules, options.scheduler)
  const models = options.shifts?.map((shift) => shifted(checkpoint.model, shift)) ?? [checkpoint.model]
  return models.flatMap((model) =>
    options.steps.map((steps) => {
      const sigmas = runSigmas(schedule, steps, 1, model.parametrisation)
      return { ...shared, model, steps, sigmas }
    }),
  )
}

const weightFor = ({ parametrisation }: CalibrationRuns['model']): number =>
  options.weight ?? (parametrisation.kind === 'flow' && parametrisation.shift > 1 ? 0 : 0.5)

/** The masks of one plan, one per share. */
async function masksOf(plan: CalibrationRuns, progress: Progress): Promise<MaskEntry> {
  const about = `${plan.steps} steps${plan.model.parametrisation.kind === 'flow' ? `, shift ${plan.model.parametrisation.shift}` : ''}`
  const runs = await recordRuns({ ...plan, onStep: () => progress.advance(1, about) })
  const reach = options.reach === 0 ? Infinity : options.reach
  const forecast = { order: 1, axis: 'sigma', reach, slopesFrom: 0 } as const
  const counts = new Set(options.shares.map((share) => Math.max(2, Math.round(share * plan.steps))))
  const masks = [...counts].map((count) => {
    const rule = { forecast, corrected: count >= ENOUGH_TO_CORRECT, weight: weightFor(plan.model) }
    const found = searchMask(runs, count, rule, false)
    process.stdout.write(
      `${about}, ${count} computed: ${found.steps.join()} (error ${found.error.toExponential(2)}, evenly ${found.evenly.toExponential(2)})\n`,
    )
    return found
  })
  return maskEntry(plan, runs, masks)
}

const checkpoint = await openCheckpoint(options.model)
const all = await plans(checkpoint)
const evaluations = all.reduce((sum, { steps, prompts }) => sum + steps * prompts.length, 0)
process.stderr.write(`${evaluations} steps of uncached runs on ${all[0]!.prompts.length} captions\n`)
const [progress, began] = [new Progress(evaluations), performance.now()]
const entries: MaskEntry[] = []
for (const plan of all) entries.push(await masksOf(plan, progress))
progress.end()
const file = join(options.tables, 'masks', `${checkpoint.model.name.toLowerCase()}.json`)
await writeMasks(file, checkpoint.model.name, entries)
process.stdout.write(`${file}, after ${spoken((performance.now() - began) / 1000)}\n`)
await checkpoint.release()
