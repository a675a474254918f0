/** Which tokens are computed anew when only some are: importance, time since the last refresh, and a spread over the picture. */

import type { Tensor } from '../tensor.ts'
import type { Call } from './contract.ts'

/** What is known of the image tokens of one block. */
export interface Selection {
  /** Worth of each token, not negative. */
  readonly importance: Float64Array
  /** Choices since each token was computed; `chooseTokens` keeps it. */
  readonly idle: Int32Array
}

/** Side of the square cells in which one token is favoured. */
const CELL = 2
const CELL_BONUS = 0.6
const IDLE_WEIGHT = 0.25
const IDLE_SCALE = 4

/** importance / |importance| + 0.25 idle / 4, the best of every 2 x 2 cell times 1.6. `line` is the number of tokens in a line. */
function scores({ importance, idle }: Selection, line: number): Float64Array {
  const size = Math.hypot(...importance) || 1
  const score = importance.map((value, token) => value / size + (IDLE_WEIGHT * idle[token]!) / IDLE_SCALE)
  const best = new Map<number, number>()
  score.forEach((value, token) => {
    const [y, x] = [Math.floor(token / line), token % line]
    const cell = Math.floor(y / CELL) * line + Math.floor(x / CELL)
    const leader = best.get(cell)
    if (leader === undefined || value > score[leader]!) best.set(cell, token)
  })
  for (const token of best.values()) score[token]! *= 1 + CELL_BONUS
  return score
}

/**
 * The `count` best tokens in rising order, the first of equal ones first (ProCache's DiT code, after ToCa, arXiv 2410.05317). Their idle
 * time begins anew, that of all others grows.
 */
export function chooseTokens(selection: Selection, count: number, line: number): readonly number[] {
  const score = scores(selection, line)
  const chosen = [...score.keys()].sort((a, b) => score[b]! - score[a]! || a - b).slice(0, count)
  for (const token of selection.idle.keys()) selection.idle[token]! += 1
  for (const token of chosen) selection.idle[token] = 0
  return chosen.sort((a, b) => a - b)
}

/**
 * How many of `tokens` a block refreshes: the released DiT schedule clamp(2.5 ratio (0.8 + 0.4 l / (N - 1)) (3 - 4 j / T), 0, 1), with j the
 * evaluations still to come: none in the first quarter of a run, most at its end.
 */
export function tokensToRefresh(
  tokens: number,
  ratio: number,
  block: number,
  depth: number,
  { index, total }: Pick<Call, 'index' | 'total'>,
): number {
  const byDepth = 0.8 + (0.4 * block) / Math.max(1, depth - 1)
  const byTime = 3 - (4 * (total - 1 - index)) / total
  return Math.floor(tokens * Math.min(1, Math.max(0, 2.5 * ratio * byDepth * byTime)))
}

/** Image tokens in a line of the picture: latents [1, C, H, W] (video [1, C, F, H, W]) are cut into square patches. */
export function tokensInLine(latent: readonly number[], tokens: number): number {
  const [height = 1, width = 1] = latent.slice(-2)
  const frames = latent.length === 5 ? latent[2]! : 1
  return Math.max(1, Math.round(width / Math.sqrt((height * width * frames) / tokens)))
}

/** L2 norm of every token of [1, tokens, width]. */
export function tokenNorms({ data, shape }: Tensor): Float64Array {
  const width = shape[2] ?? 1
  const norms = new Float64Array(data.length / width)
  for (let token = 0; token < norms.length; token++) {
    let squares = 0
    for (let i = token * width; i < (token + 1) * width; i++) squares += data[i]! * data[i]!
    norms[token] = Math.sqrt(squares)
  }
  return norms
}
