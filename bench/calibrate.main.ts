/** `heddle bench calibrate`: fits the tables of TeaCache, MagCache and SenCache anew for a model, and writes them where the nodes find them. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { calibrationText, type Calibration } from '../diffusion/caching/calibration.ts'
import { openCheckpoint } from '../diffusion/families/checkpoint.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import { zeros } from '../diffusion/tensor.ts'
import { calibrateMagCache } from '../nodes/caching/calibrate-magcache.ts'
import { calibrateSenCache } from '../nodes/caching/calibrate-sencache.ts'
import { calibrateTeaCache } from '../nodes/caching/calibrate-teacache.ts'
import type { CalibrationRuns } from '../nodes/caching/calibration/runs.ts'

const ROOT = join(import.meta.dirname, '..')
/** Of the first caption's noise; far from the seeds of `heddle bench cache`. */
const SEED = 500_000n

const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number of 1 or more')
  return value
}

const options = new Command('heddle bench calibrate')
  .description('Fits the tables of TeaCache, MagCache and SenCache for a model and writes them beside the nodes.')
  .option('--model <folder>', 'diffusers folder', join(ROOT, 'models/heddle-flux-mini'))
  .option(
    '--caption-file <file>',
    'JSON list of texts; by default some that `heddle bench cache` does not use',
    join(import.meta.dirname, 'calibration-captions.json'),
  )
  .option('--captions <n>', 'how many of them', whole, 16)
  .option('--steps <n>', 'simple Euler steps', whole, 30)
  .option('--guidance <g>', 'guidance scale', Number, 3)
  .option('--size <pixels>', 'edge of the pictures', whole, 128)
  .option('--methods <names>', 'only these, with commas between', (text) => text.split(','), [
    'MagCache',
    'TeaCache',
    'SenCache',
  ])
  .option('--tables <folder>', 'where the tables go', join(ROOT, 'nodes/caching/tables'))
  .parse()
  .opts<{
    model: string
    captionFile: string
    captions: number
    steps: number
    guidance: number
    size: number
    methods: readonly string[]
    tables: string
  }>()

/** All calibrators get the same runs. */
async function plan(): Promise<CalibrationRuns> {
  const captions = z
    .array(z.string())
    .min(1)
    .parse(JSON.parse(await readFile(options.captionFile, 'utf8')))
  const { model, clip, vae } = await openCheckpoint(options.model)
  const texts = captions.slice(0, options.captions)
  const edge = options.size / vae.factor
  return {
    model,
    prompts: await Promise.all(texts.map((text) => clip.encode(text))),
    negative: [await clip.encode('')],
    guidance: options.guidance,
    latent: zeros([1, model.latent.channels, edge, edge]),
    sigmas: runSigmas(schedules.get('simple')!, options.steps, 1, model.parametrisation),
    sampler: samplers.get('euler')!,
    ...{ scheduler: 'simple', steps: options.steps, seed: SEED, runs: 1 },
    signal: new AbortController().signal,
  }
}

/** Lists of numbers on one line each. */
const pretty = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(/\[[^[\]{}"]*\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim()),
  )

async function write(calibration: Calibration): Promise<void> {
  const { method, model, source } = calibration
  const file = join(options.tables, method.toLowerCase(), `${model.toLowerCase()}.json`)
  // The text is what a workflow would keep: the same six digits stand in the table.
  await writeFile(
    file,
    `${pretty({ aliases: [], calibration: JSON.parse(calibrationText(calibration)) as unknown })}\n`,
  )
  process.stdout.write(`${method}, ${source}: ${file}\n`)
}

/** By the method they serve. */
const CALIBRATORS: Readonly<Record<string, (runs: CalibrationRuns) => Promise<Calibration>>> = {
  MagCache: calibrateMagCache,
  TeaCache: (runs) => calibrateTeaCache(runs, 'modulated input', 4),
  SenCache: calibrateSenCache,
}

const strangers = options.methods.filter((method) => !(method in CALIBRATORS))
if (strangers.length > 0)
  throw new Error(`calibrate: no method ${strangers.join(', ')}; there is ${Object.keys(CALIBRATORS).join(', ')}`)
const runs = await plan()
for (const [method, calibrate] of Object.entries(CALIBRATORS))
  if (options.methods.includes(method)) await write(await calibrate(runs))
