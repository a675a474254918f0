/** Least-squares fit of a polynomial, and how good it is. */

export interface PolynomialFit {
  /** Highest power first. */
  readonly coefficients: readonly number[]
  /** Least and greatest x. */
  readonly range: readonly [number, number]
  readonly pairs: number
  /** Share of the variance of y that is explained; 1 where y does not vary. */
  readonly r2: number
  /** Root mean square of what is not. */
  readonly rms: number
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** An orthonormal basis of the columns and the triangle R with columns = basis R, by Gram and Schmidt, twice for exactness. */
function orthogonalise(columns: readonly (readonly number[])[]) {
  const basis: (readonly number[])[] = []
  const triangle: number[][] = columns.map(() => columns.map(() => 0))
  for (const [j, column] of columns.entries()) {
    let rest = [...column]
    for (const _ of [1, 2])
      for (const [i, direction] of basis.entries()) {
        const share = dot(direction, rest)
        triangle[i]![j]! += share
        rest = rest.map((value, row) => value - share * direction[row]!)
      }
    const length = Math.sqrt(dot(rest, rest))
    triangle[j]![j] = length
    basis.push(rest.map((value) => value / length))
  }
  return { basis, triangle }
}

/** Solves the triangle from its last line up. */
function backwards(triangle: readonly (readonly number[])[], right: readonly number[]): number[] {
  const solution = right.map(() => 0)
  for (let i = right.length - 1; i >= 0; i--) {
    const known = triangle[i]!.reduce((sum, value, j) => (j > i ? sum + value * solution[j]! : sum), 0)
    solution[i] = (right[i]! - known) / triangle[i]![i]!
  }
  return solution
}

/** The polynomial of this order nearest to the points. Throws when there are too few different x to know it. */
export function fitPolynomial(xs: readonly number[], ys: readonly number[], order: number): PolynomialFit {
  const different = new Set(xs).size
  if (different <= order)
    throw new Error(
      `fit: ${different} different changes are too few for a polynomial of order ${order}. Take more steps or prompts, or a lower order.`,
    )
  const range = [Math.min(...xs), Math.max(...xs)] as const
  // Powers of x as it is would hardly differ from each other: x is brought to 0..1 first, and the coefficients back afterwards.
  const unit = range[1]
  const powers = Array.from({ length: order + 1 }, (_, power) => xs.map((x) => (x / unit) ** power))
  const { basis, triangle } = orthogonalise(powers)
  const scaled = backwards(
    triangle,
    basis.map((direction) => dot(direction, ys)),
  )
  const rising = scaled.map((coefficient, power) => coefficient / unit ** power)
  const errors = ys.map(
    (y, i) => y - rising.reduce((sum, coefficient, power) => sum + coefficient * xs[i]! ** power, 0),
  )
  const middle = ys.reduce((sum, y) => sum + y, 0) / ys.length
  const variance = ys.reduce((sum, y) => sum + (y - middle) ** 2, 0)
  const squares = dot(errors, errors)
  return {
    coefficients: rising.toReversed(),
    range,
    pairs: xs.length,
    r2: variance > 0 ? 1 - squares / variance : 1,
    rms: Math.sqrt(squares / ys.length),
  }
}
