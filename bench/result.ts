/** The bench's result as it is written to disk and read again for publishing. */
import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { csv } from './report/csv.ts'
import { byMethod, overview, truth } from './report/curves.ts'
import { contestTable, duelTable, longTable } from './report/markdown.ts'

const speedSchema = z.object({
  runs: z.int(),
  latency: z.number(),
  speedUp: z.number(),
  quartiles: z.tuple([z.number(), z.number()]).readonly(),
  overhead: z.number(),
})

const rowSchema = z.object({
  config: z.string(),
  method: z.string(),
  group: z.string().optional(),
  role: z.enum(['uncached', 'method', 'mask', 'fewer']),
  captions: z.int(),
  evaluations: z.int(),
  blockShare: z.number(),
  flopShare: z.number(),
  teraflops: z.number(),
  promised: z.number(),
  speed: speedSchema.nullable(),
  psnr: z.number(),
  psnrWorst: z.number(),
  /** Not in old results. */
  psnrFifth: z.number().optional(),
  ssim: z.number(),
  latentL1: z.number(),
  truthL2: z.number().nullable(),
  judged: z.record(z.string(), z.number()).readonly(),
  heldMiB: z.number().nullable(),
  residentMiB: z.number().nullable(),
  sameDecisions: z.number(),
})

const duelSchema = z.object({
  config: z.string(),
  share: z.number(),
  captions: z.int(),
  psnr: z.number(),
  maskPsnr: z.number(),
  difference: z.object({ mean: z.number(), low: z.number(), high: z.number() }),
  won: z.int(),
  verdict: z.enum(['better', 'worse', 'level']),
})

const pair = z.tuple([z.number(), z.number()]).readonly()
const contestSchema = z.object({
  challenger: z.string(),
  rival: z.string(),
  share: z.number(),
  shares: pair,
  captions: z.int(),
  psnr: pair,
  fifth: pair,
  truth: pair.nullable(),
  difference: z.object({ mean: z.number(), low: z.number(), high: z.number() }),
  won: z.int(),
})

const batchSchema = z.object({
  samples: z.int(),
  config: z.string(),
  batchBlocks: z.number(),
  singleBlocks: z.number(),
  sameDecisions: z.boolean(),
  largestDifference: z.number(),
  meanRuleBlocks: z.number(),
  anyRuleBlocks: z.number(),
  totalBlocks: z.number(),
})

const adoptionSchema = z.object({
  /** Commit of the bench whose pictures were taken over. */
  commit: z.string(),
  /** Captions that were measured again under every setting. */
  repeated: z.int(),
  /** Settings, of all, whose repeated pictures agreed, and the pictures that were taken over from them. */
  agreed: z.int(),
  settings: z.int(),
  pictures: z.int(),
  /** Settings that were measured anew on all captions, and why. */
  anew: z.array(z.object({ config: z.string(), why: z.string() })).readonly(),
})

export const resultSchema = z.object({
  command: z.string(),
  commit: z.string(),
  machine: z.string(),
  versions: z.string(),
  date: z.string(),
  model: z.string(),
  captions: z.int(),
  timed: z.int(),
  steps: z.int(),
  /** Time shift; null for models that are no flows, absent from old results. */
  shift: z.number().nullable().optional(),
  converged: z.int(),
  guidance: z.number(),
  size: z.int(),
  rows: z.array(rowSchema).readonly(),
  /** What was taken over from an earlier bench; null for nothing. */
  adoption: adoptionSchema.nullable().default(null),
  duels: z.array(duelSchema).readonly(),
  /** Settings for which no fixed mask of the same compute was there. */
  unmatched: z.array(z.string()).readonly(),
  /** ForecastCache against its rivals at equal compute. */
  contests: z.array(contestSchema).readonly().default([]),
  batch: batchSchema.nullable(),
})

export type Result = z.infer<typeof resultSchema>
export type Adoption = z.infer<typeof adoptionSchema>
export type BatchProof = z.infer<typeof batchSchema>

/** Short name of the commit, with '+' when files differ from it; 'unknown' outside a repository. */
export function commitOf(root: string): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const changed = git(
      'status',
      '--porcelain',
      '--untracked-files=no',
      '--',
      'diffusion',
      'nodes',
      'bench/*.ts',
      'models',
    )
    return git('rev-parse', '--short', 'HEAD') + (changed === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

export function machineOf(): string {
  const [cpu] = cpus()
  return `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`
}

const timedText = ({ timed }: Result): string =>
  timed === 0 ? 'none of them timed' : `${timed} of them timed, two runs each`
const shiftText = ({ shift }: Result): string => (typeof shift === 'number' ? `, shift ${shift}` : '')

/** What a result took over from an earlier bench, as what follows its source; nothing where it took nothing. */
function adoptionText({ adoption, captions, commit }: Result): string {
  if (!adoption || adoption.pictures === 0) return ''
  const { repeated, agreed, settings, pictures, anew } = adoption
  const others =
    anew.length > 0 ? `; measured on all captions at ${commit}: ${anew.map(({ config }) => config).join('; ')}` : ''
  return (
    `. ${pictures} of ${captions * settings} pictures were measured at commit ${adoption.commit}, and taken over after the first ` +
    `${repeated === 1 ? 'caption' : `${repeated} captions`} had been measured again at ${commit} under every setting and had agreed under ${agreed} of ` +
    `${settings} (the same decisions and counts, PSNR within 0.05 dB, where it is above 60 dB within 1 dB)${others}. All times and memory are of ${commit}`
  )
}

/** Where a result came from, in one line. */
export const sourceOf = (result: Result): string =>
  `${result.captions} captions not trained on (${timedText(result)}), ${result.steps} Euler steps${shiftText(result)}, guidance ` +
  `${result.guidance}, ${result.size}x${result.size}, same seeds; ${result.machine}; ${result.versions}; commit ${result.commit}, ` +
  `${result.date}; \`${result.command}\`${adoptionText(result)}`

/** The batch of different captions, in sentences. */
export function batchText(proof: BatchProof): string {
  const share = (blocks: number) => `${blocks} (${((100 * blocks) / proof.totalBlocks).toFixed(1)} %)`
  return (
    `A batch of ${proof.samples} different captions under ${proof.config}: ${share(proof.batchBlocks)} of ${proof.totalBlocks} blocks, the ` +
    `${proof.samples} single runs together ${share(proof.singleBlocks)}; decisions ${proof.sameDecisions ? 'the same' : 'NOT the same'}, ` +
    `pictures at most ${proof.largestDifference.toExponential(1)} apart. One decision for the whole batch computes ` +
    `${share(proof.anyRuleBlocks)} blocks if every sample is to stay below its own threshold, and ${share(proof.meanRuleBlocks)} if their mean drift decides, ` +
    `as in the published code.`
  )
}

function markdownOf(result: Result): string {
  const duels = result.duels.length > 0 ? `\n\n${duelTable(result.duels)}` : ''
  const contests = result.contests.length > 0 ? `\n\n${contestTable(result.contests)}` : ''
  const batch = result.batch ? `\n\n${batchText(result.batch)}` : ''
  return `${longTable(result.rows)}\n\n${sourceOf(result)}.${duels}${contests}${batch}\n`
}

/** The result's plots by the endings of their names. */
export const plotsOf = ({ rows }: Result): Readonly<Record<string, string>> => ({
  '': overview(rows),
  '-methods': byMethod(rows),
  '-converged': truth(rows),
})

/** Writes FILE.json and, beside it, FILE.csv, FILE.md and the plots. */
export async function writeResult(path: string, result: Result): Promise<void> {
  const stem = path.replace(/\.json$/, '')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${JSON.stringify(result, null, 2)}\n`)
  await writeFile(`${stem}.csv`, csv(result.rows))
  await writeFile(`${stem}.md`, markdownOf(result))
  for (const [ending, plot] of Object.entries(plotsOf(result))) await writeFile(`${stem}${ending}.svg`, plot)
}

export async function readResult(path: string): Promise<Result> {
  const parsed = resultSchema.safeParse(JSON.parse(await readFile(path, 'utf8')))
  if (parsed.success) return parsed.data
  throw new Error(`${path}: not a result of this bench: ${z.prettifyError(parsed.error)}`)
}

/** Versions that times depend on. */
export async function versionsOf(root: string): Promise<string> {
  const text = await readFile(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8')
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(text))
  return `Node ${process.versions.node}, ONNX Runtime ${version}`
}
