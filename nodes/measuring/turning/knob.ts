/** The one number of a caching method that a measurement turns, and the values it is tried at. */
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import type { CacheReport } from '../../../diffusion/caching/report-types.ts'

export interface Knob {
  readonly name: string
  /** As the configuration has it. */
  readonly value: number
  /** The configuration with the knob at another value. */
  readonly at: (value: number) => CacheConfiguration
}

/** What a method is turned by unless the user names another knob: its threshold, which some give a longer name. */
const USUAL = 'threshold'

/** The knob of that name; '' and 'threshold' also find a 'reuse_threshold'. Throws when it is no number of this method, naming those there are. */
export function knobOf(cache: CacheConfiguration, wanted: string): Knob {
  const given = wanted.trim() === '' ? USUAL : wanted.trim()
  const longer = given === USUAL ? Object.keys(cache.params).find((key) => key.endsWith(USUAL)) : undefined
  const name = given in cache.params ? given : (longer ?? given)
  const value = cache.params[name]
  if (typeof value === 'number') return { name, value, at: (turned) => cache.with({ [name]: turned }) }
  const numbers = Object.entries(cache.params).flatMap(([key, one]) => (typeof one === 'number' ? [key] : []))
  throw new Error(
    `knob: ${cache.method} has no number '${name}'; it has ${numbers.length === 0 ? 'no numbers' : numbers.join(', ')}. Write one of them.`,
  )
}

/** `count` values from low to high, both included, rounded as they are written down; equal ones once. */
export function valuesBetween(low: number, high: number, count: number, whole: boolean): readonly number[] {
  const all = Array.from({ length: count }, (_, i) => rounded(low + ((high - low) * i) / Math.max(1, count - 1), whole))
  return [...new Set(all)]
}

/** A value as it is tried and written down: three digits, or a whole number. */
export const rounded = (value: number, whole: boolean): number =>
  whole ? Math.round(value) : Number(value.toPrecision(3))

type Costs = Pick<CacheReport, 'computedBlocks' | 'totalBlocks' | 'computedFlops' | 'totalFlops'>

/** Share of a plain run's work that was or would be computed: in estimated operations, or in blocks where those are not known. */
export function computedShare(costs: Costs): number {
  if (costs.totalFlops > 0) return costs.computedFlops / costs.totalFlops
  return costs.totalBlocks > 0 ? costs.computedBlocks / costs.totalBlocks : 1
}
