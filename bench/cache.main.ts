/** `heddle bench cache`: methods x settings x captions on a model, beside the uncached run of the same process. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { UnmetNeedsError } from '../diffusion/caching/contract.ts'
import { openCheckpoint } from '../diffusion/families/checkpoint.ts'
import type { Checkpoint } from '../diffusion/families/contract.ts'
import { loadRegistry } from '../server/engine/registry.ts'
import { adopt, openEarlier } from './adoption.ts'
import { proveBatch } from './batch/proof.ts'
import { calibrator } from './calibrate.ts'
import { contests, type Measured } from './contest.ts'
import { duel } from './duel.ts'
import { fidelityWork, pictureOf, type Ground } from './fidelity.ts'
import { codeDigest, Journal, modelDigest } from './journal.ts'
import { openJudges } from './judges/judges.ts'
import { memoryWork } from './memory.ts'
import { methodSettings } from './methods.ts'
import { readOptions, ROOT, type Options } from './options.ts'
import { Progress, spoken } from './progress.ts'
import { publishForecast } from './publish-forecast.ts'
import { publish } from './publish.ts'
import { contestTable, duelTable, longTable, shortfalls } from './report/markdown.ts'
import {
  batchText,
  commitOf,
  machineOf,
  sourceOf,
  versionsOf,
  writeResult,
  type Adoption,
  type Result,
} from './result.ts'
import { fewerSteps, optimisedSteps } from './rivals.ts'
import { openScene, paint, sigmasFor, type Stage } from './scene.ts'
import { uncached, type Setting } from './setting.ts'
import { shifted, shiftOf } from './shift.ts'
import { decibels, summarise, type Row } from './summary.ts'
import { timingWork } from './timing.ts'
import type { Prices, Work } from './work.ts'

/** Captions that calibrations of a quick bench are made on. */
const QUICK_CALIBRATION = 2

const captionsSchema = z.array(z.string().min(1)).min(1)

async function readCaptions(options: Options): Promise<readonly string[]> {
  const path = options.captionFile ?? join(options.model, 'captions.json')
  const captions = captionsSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  if (captions.length < options.captions)
    throw new Error(`${path}: ${options.captions} captions were asked for, it has ${captions.length}`)
  return captions.slice(0, options.captions)
}

/** Settings that this model can serve; the others are named and left out. */
async function servable(stage: Stage, settings: readonly Setting[]): Promise<readonly Setting[]> {
  const { model } = stage.checkpoint
  const kept: Setting[] = []
  for (const setting of settings) {
    try {
      const wired = await setting.wire(model)
      const sigmas = sigmasFor(stage, setting)
      const run = { model: model.name, sampler: setting.sampler, guidance: stage.guidance, sigmas }
      wired.cache?.bind(wired.model.transformer.facts, run)
      kept.push(setting)
    } catch (error) {
      process.stderr.write(`${setting.name} is left out: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  return kept
}

/** What a model evaluation and a picture cost here: the second of two uncached runs, since the first one opens sessions. */
async function pricesOf(ground: Ground): Promise<Prices> {
  const { stage, steps } = ground
  const scene = await openScene(stage, 0)
  await paint(stage, scene, uncached(2))
  const { latent, report } = await paint(stage, scene, uncached(Math.min(steps, 10)))
  await stage.checkpoint.vae.decode(latent)
  const began = performance.now()
  await stage.checkpoint.vae.decode(latent)
  return { evaluation: report.seconds / report.evaluations, picture: (2 * (performance.now() - began)) / 1000 }
}

async function carryOut(work: readonly Work[]): Promise<void> {
  const total = work.reduce((sum, { cost }) => sum + cost, 0)
  process.stderr.write(
    `${work.length} pieces of work, about ${spoken(total)}; if it is stopped, the same command goes on.\n`,
  )
  const progress = new Progress(total)
  for (const piece of work) {
    await piece.do()
    progress.advance(piece.cost, piece.name)
  }
  progress.end()
}

/** A setting's measurements by caption. */
function measuredOf(ground: Ground, setting: Setting, rows: readonly Row[]): Measured {
  const pictures = ground.stage.captions.map((_, index) => pictureOf(ground, index, setting))
  return {
    config: setting.name,
    share: rows.find(({ config }) => config === setting.name)?.flopShare ?? NaN,
    psnr: pictures.map((picture) => decibels(picture ?? { psnr: NaN })),
    truth: pictures.map((picture) => picture?.truthL2 ?? null),
  }
}

/** Every method's settings against the fixed masks, and ForecastCache against its rivals. */
function comparisons(ground: Ground, settings: readonly Setting[], rows: readonly Row[]) {
  const contender = (setting: Setting) => measuredOf(ground, setting, rows)
  const masks = settings.filter(({ role }) => role === 'mask').map(contender)
  const methods = settings.filter(({ role }) => role === 'method').map(contender)
  const fought = methods.map((method) => ({ method, result: duel(method, masks) }))
  return {
    duels: fought.flatMap(({ result }) => result ?? []),
    contests: contests(settings.map((setting) => ({ setting, measured: contender(setting) }))),
    unmatched: fought.filter(({ result }) => !result).map(({ method }) => method.config),
  }
}

/** The setting of DiCache whose decisions differ most from caption to caption: the one that shows most in a batch. */
function mostVaried(settings: readonly Setting[], rows: readonly Row[]): Setting | null {
  const sameDecisions = ({ name }: Setting) => rows.find(({ config }) => config === name)?.sameDecisions ?? 1
  const own = settings.filter(({ method, params }) => method === 'DiCache' && params['decide'] === 'together')
  return [...own].sort((a, b) => sameDecisions(a) - sameDecisions(b))[0] ?? null
}

const withShift = <C extends Checkpoint>(checkpoint: C, { shift }: Options): C =>
  shift === undefined ? checkpoint : { ...checkpoint, model: shifted(checkpoint.model, shift) }

/** Plain runs at the levels that calibrated masks compute at; none, said on standard error, where no mask fits. */
function optimised(stage: Stage, { steps, rivals }: Options): readonly Setting[] {
  try {
    return optimisedSteps(stage, steps, rivals)
  } catch (error) {
    if (!(error instanceof UnmetNeedsError)) throw error
    process.stderr.write(`${error.message}\n`)
    return []
  }
}

async function openGround(options: Options, stage: Stage): Promise<Ground> {
  const model = await modelDigest(options.model)
  const path = join(options.work, `${model}.jsonl`)
  const journal = await Journal.open(path, await codeDigest(ROOT), options.fresh, commitOf(ROOT))
  const judges = await openJudges(options)
  return { stage, journal, model, steps: options.steps, convergedSteps: options.converged, judges }
}

async function resultOf(
  options: Options,
  ground: Ground,
  settings: readonly Setting[],
  adoption: Adoption | null,
): Promise<Result> {
  const rows = summarise(ground, settings, options.timed)
  const varied = mostVaried(settings, rows)
  return {
    command: ['npx heddle bench cache', ...process.argv.slice(2)].join(' '),
    commit: commitOf(ROOT),
    machine: machineOf(),
    versions: await versionsOf(ROOT),
    date: new Date().toISOString().slice(0, 10),
    model: ground.stage.checkpoint.model.name,
    captions: options.captions,
    timed: Math.min(options.timed, options.captions),
    steps: options.steps,
    shift: shiftOf(ground.stage.checkpoint.model),
    converged: options.converged,
    guidance: options.guidance,
    size: options.size,
    rows,
    adoption,
    ...comparisons(ground, settings, rows),
    // Without times it is to be fidelity alone.
    batch: varied && options.timed > 0 ? await proveBatch(ground.stage, varied) : null,
  }
}

/** Takes over what an earlier bench measured; nothing without `--adopt`. */
async function adoptEarlier(options: Options, ground: Ground, settings: readonly Setting[], prices: Prices) {
  if (options.adopt === undefined) return null
  const earlier = await openEarlier(options.adopt, ground.journal.code, options.adoptCommit)
  const captions = ground.stage.captions.slice(0, options.adoptCheck)
  await carryOut(fidelityWork({ ...ground, stage: { ...ground.stage, captions } }, settings, prices))
  const adoption = adopt(ground, settings, earlier, captions.length)
  process.stderr.write(
    `${adoption.pictures} pictures are taken over; ${adoption.agreed} of ${adoption.settings} settings agree.\n`,
  )
  for (const { config, why } of adoption.anew) process.stderr.write(`${config} is measured anew: ${why}\n`)
  return adoption
}

function report(result: Result): void {
  const parts = [
    longTable(result.rows),
    sourceOf(result),
    ...(result.duels.length > 0 ? [duelTable(result.duels)] : []),
    ...(result.contests.length > 0 ? [contestTable(result.contests)] : []),
    ...(result.batch ? [batchText(result.batch)] : []),
    ...shortfalls(result.rows),
  ]
  process.stdout.write(`${parts.join('\n\n')}\n`)
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const captions = await readCaptions(options)
  const checkpoint = withShift(await openCheckpoint(options.model), options)
  const { guidance, size, steps, quick } = options
  const stage: Stage = { checkpoint, captions, guidance, size, negative: await checkpoint.clip.encode('') }
  const ground = await openGround(options, stage)
  const registry = await loadRegistry()
  registry.problems.forEach((problem) => process.stderr.write(`${problem}\n`))
  const calibrate = calibrator(stage, registry, { ...ground, captions: quick ? QUICK_CALIBRATION : Infinity })
  const chosen = await methodSettings({
    registry,
    calibrate,
    steps,
    quick,
    only: options.methods,
    shift: shiftOf(checkpoint.model),
  })
  const methods = await servable(stage, chosen)
  const settings = [uncached(steps), ...methods, ...fewerSteps(steps, options.rivals), ...optimised(stage, options)]
  const prices = await pricesOf(ground)
  const timed = Math.min(options.timed, captions.length)
  const adoption = await adoptEarlier(options, ground, settings, prices)
  await carryOut([
    ...fidelityWork(ground, settings, prices),
    ...(timed > 0 ? memoryWork(ground, settings, steps * (prices.evaluation + 0.01)) : []),
    ...timingWork(ground, settings, timed, prices),
  ])
  const result = await resultOf(options, ground, settings, adoption)
  await writeResult(options.json, result)
  report(result)
  if (options.publish) {
    await publish(result)
    await publishForecast(ROOT)
  }
  await ground.judges.release()
  await checkpoint.release()
}

await main()
