/** A model whose blocks are given as functions of a few numbers, and runs of a method on it: for values computed by hand. */
import type {
  Branch,
  CacheConfiguration,
  Call,
  Denoiser,
  Evaluated,
  Hidden,
} from '../../../diffusion/caching/contract.ts'
import { copy, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { callAt } from './scripted.ts'

/** What stands at one place of the model at one evaluation. */
export interface Place {
  readonly index: number
  readonly branch: Branch
  /** Block that runs, from 0. */
  readonly block: number
}

export interface StackOptions {
  readonly depth: number
  /** Image tokens before the first block, [tokens][width]; one token of one number unless given. */
  readonly embed?: (place: Omit<Place, 'block'>) => readonly (readonly number[])[]
  /** What a block adds to every value of the image tokens. */
  readonly adds: (place: Place, value: number) => number
  readonly family?: string
}

export interface Stack extends Denoiser {
  /** Each run of blocks of the conditional branch as 'from-to', and 'head'. */
  readonly ran: string[]
}

export const matrix = (rows: readonly (readonly number[])[]): Tensor =>
  tensor(Float32Array.from(rows.flat()), [1, rows.length, rows[0]!.length])

/** The head gives the image tokens back as the prediction. */
export function stack({ depth, embed = () => [[0]], adds, family = 'fake' }: StackOptions): Stack {
  const ran: string[] = []
  const stacked: Stack = {
    facts: {
      family,
      depth,
      cuts: new Set(Array.from({ length: depth + 1 }, (_, i) => i)),
      modules: new Set(),
      taps: new Set(),
    },
    ran,
    embed: ({ index }, branch) =>
      Promise.resolve({ image: matrix(embed({ index, branch })), text: null, context: { index, branch } }),
    blocks(from, first, last) {
      const at = from.context as Omit<Place, 'block'>
      if (at.branch === 'cond') ran.push(`${first}-${last}`)
      const data = from.image.data.slice()
      for (let block = first; block < last; block++)
        data.forEach((value, i) => (data[i] = value + adds({ ...at, block }, value)))
      return Promise.resolve<Hidden>({ ...from, image: { data, shape: from.image.shape } })
    },
    head: ({ image }) => Promise.resolve(copy(image)),
    predict: async (call, branch) => stacked.head(await stacked.blocks(await stacked.embed(call, branch), 0, depth)),
    modules: () => Promise.reject(new Error('no modules in this model')),
    tap: () => Promise.reject(new Error('no taps in this model')),
  }
  return stacked
}

/** Answers of one branch over `count` evaluations of a run of `total`. */
export async function playOn(
  denoiser: Stack,
  cache: CacheConfiguration,
  count: number,
  {
    total = count,
    branches = ['cond'],
    from = 0,
  }: { total?: number; branches?: readonly Branch[]; from?: number } = {},
): Promise<{
  readonly answers: readonly Evaluated[]
  readonly other: readonly Evaluated[]
  readonly ran: readonly string[]
}> {
  const evaluate = cache.bind(denoiser.facts)()
  const answers: Evaluated[] = []
  const other: Evaluated[] = []
  for (let index = from; index < from + count; index++) {
    const call: Call = { ...callAt(index, total, branches), guidance: 2 }
    const given = await evaluate(call, denoiser)
    answers.push(given.get('cond')!)
    if (branches.length > 1) other.push(given.get('uncond')!)
  }
  return { answers, other, ran: denoiser.ran }
}

/** 'F' full, 'R' resumed, '.' skipped, 'p' partial. */
export const letters = (answers: readonly Evaluated[]): string =>
  answers.map(({ trace }) => ({ full: 'F', resumed: 'R', skipped: '.', partial: 'p' })[trace.decision]).join('')

export const firsts = (answers: readonly Evaluated[]): number[] => answers.map(({ prediction }) => prediction.data[0]!)
