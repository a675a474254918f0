/** Linear multistep (Adams-Bashforth in sigma) of fourth order, as in k-diffusion. One evaluation a step. */
import { adamsBashforth } from './shared/adams-bashforth.ts'

const ORDER = 4

/** Nodes of Gauss's rule of two points in -1..1: exact up to the cubics that fourth order has. */
const NODE = 1 / Math.sqrt(3)

/** Integral from `from` to `to` of the polynomial that is 1 at `places[j]` and 0 at the other places. */
function weight(places: readonly number[], j: number, from: number, to: number): number {
  const basis = (at: number): number =>
    places.reduce((product, place, k) => (k === j ? product : (product * (at - place)) / (places[j]! - place)), 1)
  const [middle, half] = [(from + to) / 2, (to - from) / 2]
  return half * (basis(middle - half * NODE) + basis(middle + half * NODE))
}

export default adamsBashforth('lms', ORDER, (places, next) => places.map((_, j) => weight(places, j, places[0]!, next)))
