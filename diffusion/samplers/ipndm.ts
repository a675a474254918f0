/** iPNDM: Adams-Bashforth of fourth order with the weights of even steps (Zhang and Chen 2023). One evaluation a step. */
import { adamsBashforth } from './shared/adams-bashforth.ts'

/** Weights of the slopes, newest first, by how many there are. */
const WEIGHTS = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const

export default adamsBashforth('ipndm', WEIGHTS.length, (places, next) =>
  WEIGHTS[places.length - 1]!.map((weight) => (next - places[0]!) * weight),
)
