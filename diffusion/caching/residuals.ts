/** Residuals of computed evaluations, and the estimate of a skipped one's output from them. */
import { add, axpy, meanAbs, meanAbsDifference, memory, scale, sub, type Tensor } from '../tensor.ts'
import { residualDistance, sizedDifference } from './passes.ts'

/** What the probe blocks and what all blocks added to the image tokens of one computed evaluation: [1, tokens, width] each. */
export interface Anchor {
  readonly probe: Tensor
  readonly whole: Tensor
  /** Mean distance of `probe` from that of the anchor before it, which every skip asks for; 0 for the first. */
  readonly moved: number
}

/** The tokens of one evaluation: before the first block, after the probe, after the last block. */
export interface Passed {
  readonly input: Tensor
  readonly probed: Tensor
  readonly output: Tensor
}

/** The anchor of an evaluation computed after `before`, in the memory of a `spare` one; or null when its tokens are not finite. */
export function anchorAfter(
  before: Anchor | undefined,
  { input, probed, output }: Passed,
  spare?: Pick<Anchor, 'probe' | 'whole'>,
): Anchor | null {
  const probe = sizedDifference(probed, input, spare?.probe.data)
  const whole = sizedDifference(output, input, spare?.whole.data)
  if (!Number.isFinite(probe.size + whole.size)) return null
  const moved = before ? meanAbsDifference(probe.tokens, before.probe) : 0
  return { probe: probe.tokens, whole: whole.tokens, moved }
}

/** Limits of an extrapolation gain; a gain of 1 is the newest residual as it is. */
export interface GainLimits {
  readonly min: number
  readonly max: number
}

/** An estimate of the tokens after the last block; `gain` is null when there was nothing to extrapolate from. */
export interface Estimate {
  readonly image: Tensor
  readonly gain: number | null
}

type Pair = readonly [older: Anchor, newer: Anchor]

const clamp = (value: number, { min, max }: GainLimits): number =>
  Number.isFinite(value) ? Math.min(Math.max(value, min), max) : 1

/** x + older + gain (newer - older). */
function extrapolate(
  { data: x, shape }: Tensor,
  { data: older }: Tensor,
  { data: newer }: Tensor,
  gain: number,
  into?: Float32Array,
): Tensor {
  const out = memory(x.length, into)
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + older[i]! + gain * (newer[i]! - older[i]!)
  return { data: out, shape }
}

/**
 * DiCache's alignment (arXiv 2508.17356, dynamic cache trajectory alignment): x + older + gain (newer - older), the gain being
 * mean|Q - Q_older| / mean|Q_newer - Q_older| of the probe residuals. Blind to sign, as published. A ratio that is not finite,
 * as between anchors whose probes agree, counts as 1.
 */
function align(x: Tensor, p: Tensor, [older, newer]: Pair, limits: GainLimits, into?: Float32Array): Estimate {
  const gain = clamp(residualDistance(p, x, older.probe) / newer.moved, limits)
  return { image: extrapolate(x, older.whole, newer.whole, gain, into), gain }
}

function dot({ data: a }: Tensor, { data: b }: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Solves the symmetric positive definite system `matrix` c = `right` by elimination; overwrites both. */
function solve(matrix: number[][], right: number[]): number[] {
  const n = right.length
  for (let k = 0; k < n; k++)
    for (let i = k + 1; i < n; i++) {
      const factor = matrix[i]![k]! / matrix[k]![k]!
      for (let j = k; j < n; j++) matrix[i]![j]! -= factor * matrix[k]![j]!
      right[i]! -= factor * right[k]!
    }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) right[k]! -= matrix[k]![j]! * right[j]!
    right[k]! /= matrix[k]![k]!
  }
  return right
}

/** Part of the squared length of the steps that is added to the diagonal, so that steps in one direction share their weight. */
const RIDGE = 1e-6
/** Keeps the diagonal above 0 when no probe has moved at all. */
const TINY = 1e-30

/** Weights c that bring sum c_i steps_i nearest to `target` in the least-squares sense. */
function fitWeights(steps: readonly Tensor[], target: Tensor): number[] {
  const gram = steps.map((a) => steps.map((b) => dot(a, b)))
  const ridge = RIDGE * gram.reduce((sum, line, i) => sum + line[i]!, 0) + TINY
  gram.forEach((line, i) => (line[i]! += ridge))
  return solve(
    gram,
    steps.map((step) => dot(step, target)),
  )
}

const stepsBetween = (anchors: readonly Anchor[], kind: 'probe' | 'whole'): Tensor[] =>
  anchors.slice(1).map((anchor, i) => sub(anchor[kind], anchors[i]![kind]))

/**
 * The alignment over more than two anchors (ours, not the paper's). This evaluation's way from the newest probe residual is
 * fitted, by least squares, as a sum of the steps between neighbouring anchors' probe residuals; the same sum of the steps
 * between their whole residuals is added to the newest. Unlike the published ratio it sees directions. The gain reported is
 * 1 + mean|step taken| / mean|newest step|, and a longer step than `max` allows is shortened to it.
 */
function fit(x: Tensor, p: Tensor, anchors: readonly Anchor[], limits: GainLimits): Estimate {
  const newest = anchors[anchors.length - 1]!
  const weights = fitWeights(stepsBetween(anchors, 'probe'), sub(sub(p, x), newest.probe))
  const steps = stepsBetween(anchors, 'whole')
  const step = steps.reduce((sum, one, i) => axpy(sum, weights[i]!, one), scale(newest.whole, 0))
  const length = meanAbs(step) / meanAbs(steps[steps.length - 1]!)
  const gain = clamp(1 + length, limits)
  const share = Number.isFinite(length) && length > 0 ? (gain - 1) / length : 0
  return { image: axpy(add(x, newest.whole), share, step), gain }
}

/**
 * Tokens after the last block from the tokens before the first (`x`), those after the probe (`p`) and one or more `anchors`,
 * oldest first: one anchor is reused as it is, two are aligned, more are fitted. Written `into` that memory where it fits.
 */
export function estimateOutput(
  x: Tensor,
  p: Tensor,
  anchors: readonly Anchor[],
  limits: GainLimits,
  into?: Float32Array,
): Estimate {
  const [newest, older] = [anchors.at(-1), anchors.at(-2)]
  if (!newest) throw new Error('estimateOutput: expected at least one anchor')
  if (!older) return { image: add(x, newest.whole, into), gain: null }
  return anchors.length === 2 ? align(x, p, [older, newest], limits, into) : fit(x, p, anchors, limits)
}

/** The last computed evaluations of one branch and the estimates from them, in memory that is used again: an estimate holds until the next. */
export class Anchors {
  readonly #limit: number
  #kept: readonly Anchor[] = []
  /** An anchor given up, whose memory the next one takes. */
  #spare: Anchor | undefined
  #estimate: Float32Array | undefined

  /** Keeps at most `limit` of them. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether there is anything to estimate from. */
  get ready(): boolean {
    return this.#kept.length > 0
  }

  /** Takes in a computed evaluation, unless its tokens are not finite. */
  add(passed: Passed): void {
    const anchor = anchorAfter(this.#kept.at(-1), passed, this.#spare)
    if (!anchor) return
    const kept = [...this.#kept, anchor]
    this.#spare = kept.length > this.#limit ? kept.shift() : undefined
    this.#kept = kept
  }

  /** See `estimateOutput`; with `over` it is written over `p`, see `ResidualEstimator.estimate`. */
  estimate(x: Tensor, p: Tensor, limits: GainLimits, over = false): Estimate {
    const estimate = estimateOutput(x, p, this.#kept, limits, over ? p.data : this.#estimate)
    if (!over) this.#estimate = estimate.image.data
    return estimate
  }
}
