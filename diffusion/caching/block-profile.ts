/** Which blocks of a model add much the same from one evaluation to the next: our stand-in for ProfilingDiT's unpublished profiler. */
import { relativeL1, sub, type Tensor } from '../tensor.ts'
import type { Denoiser, Hidden } from './contract.ts'

/** Blocks [from, to) that are reused as one. */
export interface BlockRun {
  readonly from: number
  readonly to: number
}

/** Runs all blocks of one branch one at a time and measures how much each one's residual changes between evaluations. */
export class BlockMeter {
  #before: readonly Tensor[] = []
  readonly #sums: number[] = []
  #count = 0

  /** Changes measured so far: one less than evaluations run. */
  get count(): number {
    return this.#count
  }

  /** Runs [0, depth) on `input`. */
  async run(input: Hidden, denoiser: Denoiser): Promise<Hidden> {
    const residuals: Tensor[] = []
    let state = input
    for (let block = 0; block < denoiser.facts.depth; block++) {
      const after = await denoiser.blocks(state, block, block + 1)
      residuals.push(sub(after.image, state.image))
      state = after
    }
    if (this.#before.length > 0) {
      residuals.forEach((now, i) => (this.#sums[i] = (this.#sums[i] ?? 0) + relativeL1(now, this.#before[i]!)))
      this.#count++
    }
    this.#before = residuals
    return state
  }

  /** Mean over the evaluations of mean|now - before| / mean|before| of what each block adds to the image tokens; empty before two. */
  get changes(): readonly number[] {
    return this.#sums.map((sum) => sum / this.#count)
  }
}

/** The share of the blocks that change least, rising; changes that are no numbers count as the largest. */
export function mostStable(changes: readonly number[], share: number): readonly number[] {
  const known = changes.map((change, block) => ({ block, change: Number.isFinite(change) ? change : Infinity }))
  known.sort((a, b) => (a.change === b.change ? a.block - b.block : a.change - b.change))
  const chosen = known.slice(0, Math.round(share * changes.length)).map(({ block }) => block)
  return chosen.sort((a, b) => a - b)
}

/** Maximal runs of neighbouring blocks; the list may be in any order and name a block twice. */
export function runsOf(blocks: readonly number[]): readonly BlockRun[] {
  const runs: { from: number; to: number }[] = []
  for (const block of [...new Set(blocks)].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last?.to === block) last.to++
    else runs.push({ from: block, to: block + 1 })
  }
  return runs
}

/** Blocks as text: '0,2,4-7'. */
export const formatBlocks = (blocks: readonly number[]): string =>
  runsOf(blocks)
    .map(({ from, to }) => (to - from === 1 ? `${from}` : `${from}-${to - 1}`))
    .join(',')

/** The blocks of a text like '0, 2, 4-7'; null when it says something else. An empty text names none. */
export function parseBlocks(text: string): readonly number[] | null {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length === 1 && parts[0] === '') return []
  const blocks: number[] = []
  for (const part of parts) {
    const match = /^(\d{1,4})(?:\s*-\s*(\d{1,4}))?$/.exec(part)
    if (!match) return null
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])]
    if (to < from) return null
    for (let block = from; block <= to; block++) blocks.push(block)
  }
  return blocks
}
