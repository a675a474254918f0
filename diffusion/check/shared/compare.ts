/** Compares tensors with their references and sums up a case. */
import type { Tensor } from '../../tensor.ts'
import type { CheckResult } from './contract.ts'

/** Largest |a - b|; NaN when the sizes differ or a value is NaN. */
export function maxAbsDifference(a: Tensor, b: Tensor): number {
  if (a.data.length !== b.data.length) return NaN
  let largest = 0
  for (let i = 0; i < a.data.length; i++) {
    const difference = Math.abs(a.data[i]! - b.data[i]!)
    if (!(difference <= largest)) largest = difference
    if (Number.isNaN(largest)) return NaN
  }
  return largest
}

/** Collects comparisons of one case and gives their result. */
export class Comparison {
  readonly #details: string[] = []
  #largest = 0
  readonly #name: string
  readonly #kind: string
  readonly #bar: number

  constructor(name: string, kind: string, bar: number) {
    this.#name = name
    this.#kind = kind
    this.#bar = bar
  }

  /** Compares `actual` with `expected` under the reference's own name; an absent tensor counts as NaN. */
  add(name: string, actual: Tensor | undefined, expected: Tensor | undefined): void {
    const difference = actual && expected ? maxAbsDifference(actual, expected) : NaN
    const why = actual && expected ? '' : ` (${actual ? 'no such reference tensor' : 'not computed'})`
    this.#details.push(`${name}: ${difference.toExponential(2)}${why}`)
    this.#largest = Number.isNaN(difference) ? NaN : Math.max(this.#largest, difference)
  }

  result(): CheckResult {
    const [maxAbs, bar] = [this.#details.length > 0 ? this.#largest : NaN, this.#bar]
    return { name: this.#name, kind: this.#kind, maxAbs, bar, pass: maxAbs <= bar, details: this.#details }
  }
}
