/** The 'beta' schedule: training steps at the quantiles of a Beta(0.6, 0.6) distribution (arXiv 2407.12173). */
import type { Schedule } from '../sampling-types.ts'
import { roundHalfEven } from './shared/rounding.ts'

const SHAPE = 0.6

const COEFFICIENTS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const

/** log Gamma(x) for x >= 0.5 (Lanczos, g = 7). */
function logGamma(x: number): number {
  const t = x + 6.5
  const series = COEFFICIENTS.reduce((sum, c, i) => (i === 0 ? c : sum + c / (x + i - 1)), 0)
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series)
}

/** The continued fraction of the incomplete beta function with a = b (Lentz's method). */
function continuedFraction(a: number, x: number): number {
  const tiny = 1e-300
  const guard = (value: number): number => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / guard(1 - (2 * a * x) / (a + 1))
  let result = d
  for (let m = 1; m <= 300; m++) {
    const even = (m * (a - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / guard(1 + even * d)
    c = guard(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (2 * a + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / guard(1 + odd * d)
    c = guard(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return result
}

/** The distribution function of Beta(a, a) at x in 0..1. */
export function betaDistribution(a: number, x: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > 0.5) return 1 - betaDistribution(a, 1 - x)
  const front = Math.exp(logGamma(2 * a) - 2 * logGamma(a) + a * Math.log(x) + a * Math.log1p(-x))
  return (front * continuedFraction(a, x)) / a
}

/** The x at which Beta(a, a) has reached `share`; bisection to the last bit. */
export function betaQuantile(a: number, share: number): number {
  if (share > 0.5) return 1 - betaQuantile(a, 1 - share)
  let [low, high] = [0, 0.5]
  for (let i = 0; i < 1100 && low < high; i++) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (betaDistribution(a, middle) < share) low = middle
    else high = middle
  }
  return high
}

const beta: Schedule = {
  name: 'beta',
  sigmas(steps, { table }) {
    const last = table.length - 1
    const indices = Array.from({ length: steps }, (_, i) => roundHalfEven(betaQuantile(SHAPE, 1 - i / steps) * last))
    // At many steps neighbours round to one level, which is then visited once.
    return [...new Set(indices)].map((index) => table[index]!).concat(0)
  },
}

export default beta
