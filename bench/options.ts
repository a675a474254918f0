/** The arguments of `heddle bench cache`. */
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import plain from './rivals.json' with { type: 'json' }

export const ROOT = join(import.meta.dirname, '..')

const whole = (least: number) => (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new InvalidArgumentError(`expected a whole number of ${least} or more`)
  return value
}
const number = (text: string) => {
  const value = Number(text)
  if (!Number.isFinite(value)) throw new InvalidArgumentError('expected a number')
  return value
}
const positive = (text: string) => {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number above 0')
  return value
}
const list = (text: string): readonly string[] => text.split(',').filter(Boolean)
const shares = (text: string): readonly number[] => {
  const values = list(text).map(number)
  if (values.some((value) => value <= 0 || value > 1))
    throw new InvalidArgumentError('expected shares above 0, at most 1')
  return values
}

export interface Options {
  readonly model: string
  readonly captionFile?: string
  readonly captions: number
  readonly timed: number
  readonly methods: readonly string[]
  /** Shares of the uncached run's evaluations that plain sampling with fewer steps gets. */
  readonly rivals: readonly number[]
  readonly steps: number
  readonly shift?: number
  readonly converged: number
  readonly guidance: number
  readonly size: number
  readonly json: string
  readonly work: string
  /** Journal of an earlier bench whose pictures are to be taken over, captions that are repeated for it, and its commit. */
  readonly adopt?: string
  readonly adoptCheck: number
  readonly adoptCommit?: string
  readonly lpips?: string
  readonly clip?: string
  readonly imageReward?: string
  readonly quick: boolean
  readonly fresh: boolean
  readonly publish: boolean
}

/** What `--quick` puts in the place of defaults: every part of the bench once, in seconds, for CI. */
const QUICK = {
  captions: 2,
  timed: 1,
  steps: 12,
  converged: 12,
  rivals: plain.quickShares,
  json: join(ROOT, 'bench/.work/quick/cache.json'),
}

/** Reads the command line; prints help or what is wrong with it and ends the process. */
export function readOptions(argv: readonly string[]): Options {
  const command = new Command('heddle bench cache')
    .description('Fidelity and speed of caching methods beside the uncached run; a bench that was killed goes on.')
    .option('--model <folder>', 'diffusers folder', join(ROOT, 'models/heddle-flux-mini'))
    .option('--caption-file <file>', 'JSON list of texts; default: captions.json beside the model')
    .option('--captions <n>', 'captions to compare pictures on', whole(1), 64)
    .option(
      '--timed <n>',
      'captions to take times on, two runs of each setting; 0 measures fidelity alone',
      whole(0),
      6,
    )
    .option('--methods <names>', 'class names of caching nodes, with commas between; default: all', list, [])
    .option(
      '--rivals <shares>',
      'evaluations of plain sampling with fewer steps, with commas between',
      shares,
      plain.shares,
    )
    .option('--steps <n>', 'Euler steps of the uncached run', whole(1), 30)
    .option('--shift <s>', 'time shift of a flow model; default: its own', positive)
    .option('--converged <n>', 'Heun steps of the converged solution; 0 leaves it out', whole(0), 60)
    .option('--guidance <g>', 'guidance scale', number, 3)
    .option('--size <pixels>', 'edge of the pictures', whole(16), 128)
    .option(
      '--json <file>',
      'where the result goes; .csv, .md and .svg are put beside it',
      join(ROOT, 'bench/results/cache.json'),
    )
    .option('--work <folder>', 'where finished measurements are kept', join(ROOT, 'bench/.work'))
    .option('--adopt <file>', 'journal of a bench of other sources: its pictures, where repeated ones agree with it')
    .option('--adopt-check <n>', 'captions that are repeated under every setting before', whole(1), 2)
    .option('--adopt-commit <commit>', 'commit that the adopted journal was measured at, if it does not say so')
    .option('--lpips <file>', 'ONNX: two pictures [1, 3, H, W] in -1..1 to one number')
    .option(
      '--clip <file>',
      'ONNX: pixel_values, input_ids (and attention_mask) to one number; tokenizer.json beside it',
    )
    .option('--image-reward <file>', 'ONNX, as --clip')
    .option('--quick', 'a small run of everything, for CI', false)
    .option('--fresh', 'measure everything again', false)
    .option('--publish', 'then write the tables and plots of the README and of docs/', false)
    .parse(['', '', ...argv])
  const given = command.opts<Options>()
  if (!given.quick) return given
  const quick = Object.entries(QUICK).filter(([name]) => command.getOptionValueSource(name) === 'default')
  return { ...given, ...Object.fromEntries(quick) }
}
