/** `heddle bench cache`: caching settings against the uncached run, same process, same seeds, interleaved; resumable. */
import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { z } from 'zod'
import type { Checkpoint, Conditioning } from '../diffusion/families/contract.ts'
import { openCheckpoint } from '../diffusion/families/checkpoint.ts'
import { psnr, ssim } from '../diffusion/metrics.ts'
import { runSigmas } from '../diffusion/noise-levels.ts'
import { normalNoise } from '../diffusion/random.ts'
import { samplers, schedules } from '../diffusion/registry.ts'
import { sample } from '../diffusion/sampling.ts'
import { zeros, type Tensor } from '../diffusion/tensor.ts'
import type { CacheReport } from '../diffusion/caching/report-types.ts'
import { settings, type Setting } from './settings.ts'
import { markdown, summarise, type Measured } from './summary.ts'

const root = join(import.meta.dirname, '..')

/** Edge of the pictures in pixels. */
const SIZE = 128
/** Seed of the first caption; caption i uses SEED + i. */
const SEED = 1000

const options = new Command('heddle bench cache')
  .description('Fidelity and speed of caching settings against the uncached run.')
  .option('--model <folder>', 'diffusers folder', join(root, 'models', 'heddle-flux-mini'))
  .option('--captions <file>', 'JSON list of texts; default: captions.json beside the model')
  .option('--prompts <n>', 'how many captions', '32')
  .option('--steps <n>', 'steps of the reference run', '30')
  .option('--guidance <g>', 'guidance scale', '3')
  .option('--json <file>', 'where the result goes', join(root, 'bench/results/cache.json'))
  .option('--quick', 'two settings only', false)
  .parse()
  .opts<{
    model: string
    captions?: string
    prompts: string
    steps: string
    guidance: string
    json: string
    quick: boolean
  }>()

interface Scene {
  readonly checkpoint: Checkpoint
  readonly positive: Conditioning
  readonly negative: Conditioning
  readonly noise: Tensor
}

/** Samples and decodes one scene under a setting. */
async function paint(scene: Scene, setting: Setting): Promise<{ picture: Tensor; report: CacheReport }> {
  const { model, vae } = scene.checkpoint
  const { samples, report } = await sample({
    model,
    positive: [scene.positive],
    negative: [scene.negative],
    guidance: Number(options.guidance),
    latent: zeros(scene.noise.shape),
    noise: scene.noise,
    sigmas: runSigmas(schedules.get('simple')!, setting.steps, 1, model.parametrisation),
    sampler: samplers.get('euler')!,
    cache: setting.cache,
    signal: new AbortController().signal,
  })
  return { picture: await vae.decode(samples), report }
}

/** One caption under every setting, in an order that turns with the caption, between two uncached runs. */
async function measure(scene: Scene, caption: number, all: readonly Setting[]): Promise<Measured[]> {
  const plain: Setting = { name: 'uncached', steps: Number(options.steps), cache: null }
  const reference = await paint(scene, plain)
  const turned = all.map((_, i) => all[(i + caption) % all.length]!)
  const runs = []
  for (const setting of turned) runs.push({ setting, ...(await paint(scene, setting)) })
  const again = await paint(scene, plain)
  const referenceSeconds = (reference.report.seconds + again.report.seconds) / 2
  return runs.map(({ setting, picture, report }) => {
    const decibels = psnr(picture, reference.picture)
    return {
      setting: setting.name,
      caption,
      computedBlocks: report.computedBlocks,
      referenceBlocks: reference.report.computedBlocks,
      seconds: report.seconds,
      referenceSeconds,
      psnr: Number.isFinite(decibels) ? decibels : null,
      ssim: ssim(picture, reference.picture),
    }
  })
}

const captionsSchema = z.array(z.string()).min(1)
const measuredSchema = z.object({
  setting: z.string(),
  caption: z.int(),
  computedBlocks: z.number(),
  referenceBlocks: z.number(),
  seconds: z.number(),
  referenceSeconds: z.number(),
  psnr: z.number().nullable(),
  ssim: z.number(),
})

/** Runs of an earlier, interrupted bench of the same model and arguments. */
async function earlier(path: string): Promise<Measured[]> {
  const lines = await readFile(path, 'utf8').catch(() => '')
  return lines
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => measuredSchema.parse(JSON.parse(line)))
}

const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

/** Where finished captions are kept, so that a killed bench goes on: one file per commit, model and arguments. */
async function journalFile(): Promise<string> {
  const { mtimeMs } = await stat(join(options.model, 'transformer'))
  const about = [commit(), Math.round(mtimeMs), options.steps, options.guidance, ...(options.quick ? ['quick'] : [])]
  return join(root, 'bench', '.work', `cache-${about.join('-')}.jsonl`)
}

async function main(): Promise<void> {
  const captionsFile = options.captions ?? join(options.model, 'captions.json')
  const captions = captionsSchema
    .parse(JSON.parse(await readFile(captionsFile, 'utf8')))
    .slice(0, Number(options.prompts))
  const checkpoint = await openCheckpoint(options.model)
  const all = settings(Number(options.steps), options.quick)
  const journal = await journalFile()
  for (const file of [options.json, journal]) await mkdir(dirname(file), { recursive: true })
  const runs = await earlier(journal)
  const done = new Set(runs.map((run) => run.caption))
  const negative = await checkpoint.clip.encode('')
  const shape = [1, checkpoint.model.latent.channels, SIZE / checkpoint.vae.factor, SIZE / checkpoint.vae.factor]
  const started = performance.now()
  let finished = 0
  for (const [index, caption] of captions.entries()) {
    if (done.has(index)) continue
    const scene = {
      checkpoint,
      positive: await checkpoint.clip.encode(caption),
      negative,
      noise: normalNoise(BigInt(SEED + index), shape),
    }
    // The first runs open sessions; their times would count against whoever comes first.
    if (finished === 0) for (const setting of [{ name: '', steps: 3, cache: null }, ...all]) await paint(scene, setting)
    const measured = await measure(scene, index, all)
    await appendFile(journal, measured.map((run) => `${JSON.stringify(run)}\n`).join(''))
    runs.push(...measured)
    finished++
    const left = ((performance.now() - started) / finished) * (captions.length - done.size - finished)
    process.stderr.write(`${index + 1}/${captions.length}  ${(left / 1000).toFixed(0)} s left\n`)
  }
  const rows = summarise(
    [...runs].sort((a, b) => all.findIndex((s) => s.name === a.setting) - all.findIndex((s) => s.name === b.setting)),
  )
  const about = {
    command: `heddle bench cache ${process.argv.slice(2).join(' ')}`.trim(),
    commit: commit(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    steps: Number(options.steps),
    guidance: Number(options.guidance),
    captions: captions.length,
  }
  await writeFile(options.json, JSON.stringify({ ...about, rows }, null, 2))
  process.stdout.write(
    `${markdown(rows)}\n\n${about.captions} captions, ${about.steps} steps, guidance ${about.guidance}; ${about.machine}; commit ${about.commit}; \`${about.command}\`\n`,
  )
}

await main()
