/** `heddle bench denoiser`: where the time of a model evaluation goes, computed and skipped, and what the clock keeps of the counted work. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { openCheckpoint } from '../diffusion/families/checkpoint.ts'
import type { Part, Transformer } from '../diffusion/families/contract.ts'
import type { ReportRow } from '../diffusion/caching/report-types.ts'
import { loadRegistry } from '../server/engine/registry.ts'
import { calibrator } from './calibrate.ts'
import { Journal } from './journal.ts'
import { methodSettings } from './methods.ts'
import { openScene, paint, type Stage } from './scene.ts'
import { uncached, type Setting } from './setting.ts'
import { mean, quantile, sum } from './statistics.ts'

const ROOT = join(import.meta.dirname, '..')

/** Milliseconds on the clock, and of processor time over all threads. */
interface Time {
  readonly wall: number
  readonly cpu: number
}

/** One part that the transformer ran, or all of an evaluation. */
interface Piece extends Time {
  readonly name: string
}

interface Evaluation extends Time {
  /** 'plain' in an uncached run, else how its rows were decided. */
  readonly kind: string
  /** Estimated operations, all rows. */
  readonly flops: number
  readonly pieces: readonly Piece[]
}

function stopwatch(): () => Time {
  const [began, used] = [performance.now(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(used)
    return { wall: performance.now() - began, cpu: (user + system) / 1000 }
  }
}

const nameOf = (part: Part): string =>
  part.kind === 'blocks' ? `blocks ${part.from}-${part.to}` : part.kind === 'tap' ? `tap ${part.name}` : part.kind

/** The same transformer, which tells of every part it runs. */
function watched(transformer: Transformer, onPiece: (piece: Piece) => void): Transformer {
  return {
    facts: transformer.facts,
    prepare: (conditioning, shape) => transformer.prepare(conditioning, shape),
    ...(transformer.foresee && { foresee: (prepared, levels) => transformer.foresee!(prepared, levels) }),
    flops: (part, tokens) => transformer.flops(part, tokens),
    release: () => transformer.release(),
    async run(part, rows, shared) {
      const read = stopwatch()
      const out = await transformer.run(part, rows, shared)
      onPiece({ name: nameOf(part), ...read() })
      return out
    },
  }
}

const kindOf = (setting: Setting, rows: readonly ReportRow[]): string =>
  setting.role === 'uncached' ? 'plain' : [...new Set(rows.map(({ decision }) => decision))].sort().join(' + ')

/** One sampling run, evaluation by evaluation. */
async function watch(stage: Stage, setting: Setting): Promise<readonly Evaluation[]> {
  const evaluations: Evaluation[] = []
  let pieces: Piece[] = []
  let read = stopwatch()
  const { model } = stage.checkpoint
  const transformer = watched(model.transformer, (piece) => pieces.push(piece))
  const seen = { ...stage, checkpoint: { ...stage.checkpoint, model: { ...model, transformer } } }
  const onEvaluation = (rows: readonly ReportRow[]): void => {
    const flops = sum(rows.map((row) => row.flops))
    evaluations.push({ kind: kindOf(setting, rows), flops, pieces, ...read() })
    pieces = []
    read = stopwatch()
  }
  await paint(seen, await openScene(stage, 0), setting, onEvaluation)
  // The first one opens what the run needs.
  return evaluations.slice(1)
}

/** The name of what happens outside the transformer: the method, joining and splitting rows, guidance, the sampler, collecting garbage. */
const HOST = 'JavaScript'

/** Times of one kind of evaluation, by piece; in the order they ran. */
function pieceTimes(evaluations: readonly Evaluation[]): ReadonlyMap<string, readonly Time[]> {
  const times = new Map<string, Time[]>()
  const add = (name: string, time: Time) => times.set(name, [...(times.get(name) ?? []), time])
  for (const { pieces, wall, cpu } of evaluations) {
    for (const piece of pieces) add(piece.name, piece)
    const [inside, used] = [sum(pieces.map((one) => one.wall)), sum(pieces.map((one) => one.cpu))]
    add(HOST, { wall: wall - inside, cpu: cpu - used })
  }
  return times
}

const figure = (value: number): string => value.toFixed(2).padStart(9)

/** A line: a low quantile and the mean of the clock, and the same of processor time. */
function line(name: string, times: readonly Time[], share: number, note = ''): string {
  const [wall, cpu] = [times.map((one) => one.wall), times.map((one) => one.cpu)]
  const figures = [quantile(wall, share), mean(wall), quantile(cpu, share), mean(cpu)]
  return `${name.padEnd(24)}${figures.map(figure).join('')}${note}`
}

function table(evaluations: readonly Evaluation[], share: number): string {
  const lines = [`${'milliseconds'.padEnd(24)}    clock   (mean)      cpu   (mean)`]
  const plain = evaluations.filter(({ kind }) => kind === 'plain')
  const low = (own: readonly Evaluation[], of: keyof Time) => quantile(own.map((one) => one[of]), share) // prettier-ignore
  for (const kind of new Set(evaluations.map((one) => one.kind))) {
    const own = evaluations.filter((one) => one.kind === kind)
    const counted = mean(own.map(({ flops }) => flops)) / mean(plain.map(({ flops }) => flops))
    const [clock, cpu] = (['wall', 'cpu'] as const).map((of) => low(own, of) / low(plain, of))
    const percent = (part: number) => `${(100 * part).toFixed(1)} %`
    lines.push(
      line(
        `${kind}, ${own.length} times`,
        own,
        share,
        `   counted ${percent(counted)}, clock ${percent(clock!)}, cpu ${percent(cpu!)} of plain`,
      ),
    )
    for (const [name, times] of pieceTimes(own)) lines.push(line(`  ${name}`, times, share))
  }
  return lines.join('\n')
}

/** What the clock keeps of the counted work, with every evaluation at the low quantile of its kind. */
function kept(runs: readonly (readonly Evaluation[])[], plain: readonly Evaluation[], share: number): string {
  const all = runs.flat()
  const ratio = (of: 'wall' | 'cpu'): number => {
    const low = (own: readonly Evaluation[]) => quantile(own.map((one) => one[of]), share) // prettier-ignore
    const kinds = [...new Set(all.map(({ kind }) => kind))]
    const cached = sum(
      kinds.map((kind) => {
        const own = all.filter((one) => one.kind === kind)
        return own.length * low(own)
      }),
    )
    return (all.length * low(plain)) / cached
  }
  const promised = (all.length * mean(plain.map(({ flops }) => flops))) / sum(all.map(({ flops }) => flops))
  const [clock, cpu] = [ratio('wall'), ratio('cpu')]
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`
  return (
    `counted work promises ${promised.toFixed(3)} times; ` +
    `by the clock ${clock.toFixed(3)} (${percent(clock / promised)} kept), by processor time ${cpu.toFixed(3)} (${percent(cpu / promised)})`
  )
}

/** A run of which nothing is watched: its time, and what was counted. */
async function runTime(stage: Stage, setting: Setting): Promise<Time & { readonly flops: number }> {
  const scene = await openScene(stage, 0)
  const read = stopwatch()
  const { report } = await paint(stage, scene, setting)
  return { ...read(), flops: report.computedFlops }
}

/** What is kept by whole runs, each against the uncached ones around it: the median over the rounds, which drifts of the machine's speed leave alone. */
async function keptByRuns(stage: Stage, setting: Setting, rounds: number): Promise<string> {
  const shares: Time[] = []
  let before = await runTime(stage, uncached(steps))
  for (let i = 0; i < rounds; i++) {
    const cached = await runTime(stage, setting)
    const after = await runTime(stage, uncached(steps))
    const promised = after.flops / cached.flops
    const keptOf = (of: keyof Time): number => (before[of] + after[of]) / 2 / cached[of] / promised
    shares.push({ wall: keptOf('wall'), cpu: keptOf('cpu') })
    before = after
  }
  const [clock, cpu] = (['wall', 'cpu'] as const).map((of) => quantile(shares.map((one) => one[of]), 0.5)) // prettier-ignore
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`
  return `whole runs between uncached ones, unwatched: by the clock ${percent(clock!)} kept, by processor time ${percent(cpu!)}`
}

const options = new Command('heddle bench denoiser')
  .description('Where the time of computed and skipped model evaluations goes.')
  .option('--model <folder>', 'diffusers folder', join(ROOT, 'models/heddle-flux-mini'))
  .option('--method <node>', 'class name of a caching node; its first setting in bench/settings is run', 'DiCache')
  .option('--rounds <n>', 'uncached and cached runs, in turn', '8')
  .option('--steps <n>', 'Euler steps', '30')
  .option('--size <pixels>', 'edge of the picture', '128')
  .option('--guidance <g>', 'guidance scale', '3')
  .option('--quantile <q>', 'which quantile stands for a quiet machine', '0.2')
  .parse(['', '', ...process.argv.slice(2)])
  .opts<Record<'model' | 'method' | 'rounds' | 'steps' | 'size' | 'guidance' | 'quantile', string>>()

const [steps, share] = [Number(options.steps), Number(options.quantile)]
const checkpoint = await openCheckpoint(options.model)
const stage: Stage = {
  checkpoint,
  captions: ['a red circle on a blue field'],
  guidance: Number(options.guidance),
  size: Number(options.size),
  negative: await checkpoint.clip.encode(''),
}
const registry = await loadRegistry()
const scratch = await mkdtemp(join(tmpdir(), 'heddle-denoiser-'))
const journal = await Journal.open(join(scratch, 'journal.jsonl'), 'denoiser', true)
const calibrate = calibrator(stage, registry, { journal, model: options.model, steps, captions: 1 })
const chosen = await methodSettings({ registry, calibrate, steps, quick: true, only: [options.method] })
const setting = chosen.find(({ method }) => method === options.method)
if (!setting) throw new Error(`bench/settings has nothing for '${options.method}'`)
await watch(stage, setting)
const [plain, cached]: [Evaluation[], Evaluation[][]] = [[], []]
for (let i = 0; i < Number(options.rounds); i++) {
  plain.push(...(await watch(stage, uncached(steps))))
  cached.push([...(await watch(stage, setting))])
}
process.stdout.write(`${setting.name}\n${table([...plain, ...cached.flat()], share)}\n`)
process.stdout.write(`${kept(cached, plain, share)}\n${await keptByRuns(stage, setting, Number(options.rounds))}\n`)
await checkpoint.release()
await rm(scratch, { recursive: true })
